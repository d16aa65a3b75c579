/** The runs of a table: pages of it, read as they come into sight. */
import { useQueries, useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import type { Schemas } from '@/api/client';
import { tableQuery, type TableQuery } from '@/api/queries';
import type { ExperimentSearch } from './search';

export const PAGE = 200;

export type Value = string | number | null;

export interface Row {
  run: Schemas['RunHead'];
  value: (column: string) => Value;
}

export interface Rows {
  total: number;
  row: (index: number) => Row | undefined;
  see: (first: number, last: number) => void;
  pending: boolean;
  stale: boolean;
  error: unknown;
  retry: () => void;
}

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

export function useRows(query: TableQuery): Rows {
  const [pages, setPages] = useState<readonly number[]>([0]);
  const first = useQuery(tableQuery(query));
  const others = useQueries({
    queries: pages.filter((page) => page > 0).map((page) => tableQuery({ ...query, offset: page * PAGE })),
    combine: (found) => found.map((one) => one.data),
  });
  return useMemo(() => {
    const held = new Map<number, Schemas['RunsFound'] | undefined>([[0, first.data]]);
    pages.filter((page) => page > 0).forEach((page, index) => held.set(page, others[index]));
    return {
      total: first.data?.total ?? 0,
      pending: first.isPending,
      stale: first.isPlaceholderData,
      error: first.error,
      retry: () => void first.refetch(),
      row: (index) => {
        const page = held.get(Math.floor(index / PAGE));
        const run = page?.runs[index % PAGE];
        return page === undefined || run === undefined ? undefined : { run, value: (column) => page.columns[column]?.[index % PAGE] ?? null };
      },
      see: (from, to) => {
        const wanted = [...new Set([0, Math.floor(from / PAGE), Math.floor(to / PAGE)])];
        setPages((now) => (wanted.length === now.length && wanted.every((page) => now.includes(page)) ? now : wanted));
      },
    };
  }, [first, others, pages]);
}
