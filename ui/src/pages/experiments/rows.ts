/** The runs of a table: pages of it, read as they come into sight. */
import { useQueries, useQuery, useQueryClient, type UseQueryResult } from '@tanstack/react-query';
import { startTransition, useMemo, useState } from 'react';
import type { Schemas } from '@/api/client';
import { tableQuery } from '@/api/queries';
import type { TableQuery } from '@/api/search';
import { BLOCK, PAGE, partOf } from './table-query';

export type Value = string | number | null;

/** How a run is nested, and what is nested in it. */
export interface Nest {
  depth: number;
  children: number;
  open: boolean;
}

export interface Row {
  run: Schemas['RunHead'];
  nest: Nest;
  /** Undefined while it isn't read yet. */
  value: (column: string) => Value | undefined;
}

export interface Rows {
  /** How many rows there are. */
  total: number;
  /** How many runs match: more than rows, if some are in a run that isn't open. */
  found: number;
  /** The runs whose nested runs have rows. */
  opened: readonly string[];
  /** Whether any of the runs that are here is nested in another. */
  nested: boolean;
  row: (index: number) => Row | undefined;
  /** Tells which rows and which of the columns asked for are in sight. */
  see: (first: number, last: number, left: number, right: number) => void;
  pending: boolean;
  stale: boolean;
  error: unknown;
  retry: () => void;
}

/** Rows from and to, columns from and to. */
type Sight = readonly [number, number, number, number];

type Answer = UseQueryResult<Schemas['RunsFound']>;

/** What has come, by place. A map, for TanStack Query compares lists and objects that are combined value by value, which takes long. */
function answered(asked: readonly Answer[]): ReadonlyMap<number, Schemas['RunsFound']> {
  return new Map(asked.flatMap(({ data, isPlaceholderData }, place) => (data === undefined || isPlaceholderData ? [] : [[place, data] as const])));
}

/** `begun` is what was asked before the columns were known: its rows are shown until those with values are here. */
export function useRows(query: TableQuery, begun: TableQuery): Rows {
  const client = useQueryClient();
  const [[top, bottom, left, right], setSight] = useState<Sight>([0, 0, 0, 0]);
  const places = useMemo(() => {
    const last = Math.max(0, Math.ceil((query.columns ?? []).length / BLOCK) - 1);
    const pages = [...new Set([0, top, bottom])];
    const blocks = [...new Set([Math.min(left, last), Math.min(right, last)])];
    return pages.flatMap((page) => blocks.map((block) => [page, block] as const)).filter(([page, block]) => page !== 0 || block !== 0);
  }, [query.columns, top, bottom, left, right]);
  const bare = client.getQueryData(tableQuery(partOf(begun, 0, 0)).queryKey);
  const { data, isPending, isPlaceholderData, error, refetch } = useQuery({ ...tableQuery(partOf(query, 0, 0)), placeholderData: (before) => before ?? bare });
  const isStale = isPlaceholderData && data !== bare;
  const others = useQueries({
    queries: places.map(([page, block]) => tableQuery(partOf(query, page, block))),
    combine: answered,
  });
  return useMemo(() => {
    const held = new Map<number, Schemas['RunsFound'][]>([[0, data === undefined ? [] : [data]]]);
    places.forEach(([page], index) => {
      const found = others.get(index);
      if (found !== undefined) held.set(page, [...(held.get(page) ?? []), found]);
    });
    const made = new Map<number, Row>();
    const opened = data?.tree?.opened ?? [];
    return {
      total: data?.tree?.rows ?? data?.total ?? 0,
      found: data?.total ?? 0,
      opened,
      nested: [...held.values()].some((parts) => parts[0]?.tree?.children.some((children) => children > 0) === true),
      pending: isPending,
      stale: isStale,
      error,
      retry: () => void refetch(),
      row: (index) => {
        const known = made.get(index);
        if (known !== undefined) return known;
        const parts = held.get(Math.floor(index / PAGE)) ?? [];
        const place = index % PAGE;
        const run = parts[0]?.runs[place];
        if (run === undefined) return undefined;
        const tree = parts[0]?.tree;
        const nest = { depth: tree?.depths[place] ?? 0, children: tree?.children[place] ?? 0, open: opened.includes(run.id) };
        const row: Row = { run, nest, value: (column) => parts.find((part) => part.runs[place]?.id === run.id && column in part.columns)?.columns[column]?.[place] };
        made.set(index, row);
        return row;
      },
      see: (from, to, start, end) => {
        const next: Sight = [Math.floor(from / PAGE), Math.floor(to / PAGE), Math.floor(start / BLOCK), Math.floor(end / BLOCK)];
        startTransition(() => setSight((now) => (now.every((place, index) => place === next[index]) ? now : next)));
      },
    };
  }, [data, isPending, isStale, error, refetch, others, places]);
}
