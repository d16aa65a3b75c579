/** What a search of runs is asked with. */
import type { Schemas } from './client';

export type TableQuery = Omit<Schemas['RunSearch'], 'archived' | 'count' | 'cursor' | 'tree'> & { tree?: boolean };

/** Runs that match, counted; put away or not. */
export function searchOf(query: TableQuery): Schemas['RunSearch'] {
  return { archived: 'show', count: true, tree: false, ...query };
}
