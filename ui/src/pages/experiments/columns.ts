/** Which columns the table has: those that were chosen, else the first of what the runs have. */
import type { Schemas } from '@/api/client';
import type { TableSearch } from './table-query';

const PREFIX = 'headrace.columns.';

/**
 * The columns that are shown. Until the keys of the runs are known, those that this browser showed last: so the first search has
 * values already. They stay, in their order, if they are what the keys say.
 */
export function columnsOf(search: TableSearch, keys: Schemas['RunKeys'] | undefined, last: readonly string[]): string[] {
  if (search.cols !== undefined) return search.cols;
  if (keys === undefined) return [...last];
  const first = firstColumns(keys);
  return first.length === last.length && first.every((column) => last.includes(column)) ? [...last] : first;
}

/** The columns that are read: of what is shown, and of what runs are grouped by. */
export function asked(search: TableSearch, columns: readonly string[]): string[] {
  return [...new Set([...columns, ...(search.by ?? [])])];
}

/** The first columns that this browser showed of an experiment last; none if it never did. */
export function lastColumns(experiments: string): string[] {
  try {
    const kept = JSON.parse(localStorage.getItem(PREFIX + experiments) ?? '[]') as unknown;
    return Array.isArray(kept) ? kept.filter((column): column is string => typeof column === 'string' && /^(metrics|params)\../.test(column)) : [];
  } catch {
    return []; // nothing that can be read, or storage that isn't allowed
  }
}

export function keepColumns(experiments: string, columns: readonly string[]): void {
  try {
    localStorage.setItem(PREFIX + experiments, JSON.stringify(columns));
  } catch {
    // storage is full or isn't allowed: the next visit searches twice
  }
}

/** What most runs have, figures before settings; what the system logs is left out. */
function firstColumns(keys: Schemas['RunKeys']): string[] {
  const most = (counts: Record<string, number>, prefix: string, size: number) =>
    Object.entries(counts)
      .filter(([key]) => !key.startsWith('system/'))
      .sort(([, a], [, b]) => b - a)
      .slice(0, size)
      .map(([key]) => `${prefix}.${key}`);
  return [...most(keys.metrics, 'metrics', 4), ...most(keys.params, 'params', 5)];
}
