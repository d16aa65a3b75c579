/** What is asked of the table of an experiment: pages of its rows, and of very many columns those in sight. */
import type { TableQuery } from '@/api/queries';
import type { ExperimentSearch } from './search';

export const PAGE = 200;
/** Columns that are read together. */
export const BLOCK = 24;

export function tableOf(experiments: string, search: ExperimentSearch, columns: readonly string[]): TableQuery {
  return {
    experiments: experiments.split(','),
    filter: search.q ?? '',
    order_by: search.sort === undefined ? [] : [search.sort],
    columns: [...columns],
    view: search.deleted === true ? 'deleted' : 'active',
    limit: PAGE,
    offset: 0,
  };
}

/** A page of rows, and a block of columns. */
export function partOf(query: TableQuery, page: number, block: number): TableQuery {
  return { ...query, offset: page * PAGE, columns: (query.columns ?? []).slice(block * BLOCK, (block + 1) * BLOCK) };
}
