/** What is asked of the table of an experiment: pages of its rows, and of very many columns those in sight. */
import type { TableQuery } from '@/api/search';
import { told } from '@/shared/search';

export const PAGE = 200;
/** Columns that are read together. */
export const BLOCK = 24;

/** What an address says of the table; what isn't there is as at first. */
export interface TableSearch {
  q?: string;
  sort?: string;
  cols?: string[];
  /** Params or tags whose values make groups. */
  by?: string[];
  deleted?: boolean;
  /** The runs whose nested runs are shown; without it, those among the first ten rows. */
  open?: string[];
}

export function readTableSearch(raw: Record<string, unknown>): TableSearch {
  return told<TableSearch>({
    q: text(raw['q']),
    sort: text(raw['sort']),
    cols: texts(raw['cols']),
    by: texts(raw['by']),
    deleted: raw['deleted'] === true ? true : undefined,
    open: Array.isArray(raw['open']) ? (texts(raw['open']) ?? []) : undefined,
  });
}

export function texts(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.length > 0 ? value.filter((item): item is string => typeof item === 'string') : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : undefined;
}

/** Whether nested runs stand below their parent. Who filters runs, or orders them by what they have, asks about runs and not about families. */
export function nests({ q, sort }: TableSearch): boolean {
  return q === undefined && (sort === undefined || sort.startsWith('start_time '));
}

/** The rows of the table. */
export function tableOf(experiments: string, search: TableSearch, columns: readonly string[]): TableQuery {
  const query = runsOf(experiments, search, columns);
  return nests(search) ? { ...query, tree: true, ...(search.open === undefined ? {} : { opened: search.open }) } : query;
}

/** All runs that match, each for itself. */
export function runsOf(experiments: string, search: TableSearch, columns: readonly string[]): TableQuery {
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
