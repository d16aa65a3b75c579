/** What pages ask for, each with the key under which it is kept. A live event makes stale what it names. */
import { keepPreviousData, queryOptions, type QueryClient } from '@tanstack/react-query';
import { address, get, getText, post, type Schemas } from './client';
import { readCurves } from './curves';
import type { LiveEvent } from './live';

export type TableQuery = Schemas['RunTableQuery'];

export const experimentsQuery = () =>
  queryOptions({ queryKey: ['experiments'], queryFn: ({ signal }) => get('/api/v1/experiments', { signal }), placeholderData: keepPreviousData });

export const keysQuery = (experiments: string) =>
  queryOptions({
    queryKey: ['keys', experiments],
    queryFn: ({ signal }) => get('/api/v1/experiments/{experiments}/keys', { path: { experiments }, signal }),
  });

export const tableQuery = (query: TableQuery) =>
  queryOptions({
    queryKey: ['table', query],
    queryFn: ({ signal }) => post('/api/v1/runs/table', query, { signal }),
    placeholderData: keepPreviousData,
  });

export const runQuery = (run: string) =>
  queryOptions({ queryKey: ['run', run], queryFn: ({ signal }) => get('/api/v1/runs/{run}', { path: { run }, signal }) });

export const runsQuery = (runs: string[]) =>
  queryOptions({
    queryKey: ['runs', runs],
    queryFn: ({ signal }) => post('/api/v1/runs/get', { runs }, { signal }),
    enabled: runs.length > 0,
    placeholderData: keepPreviousData,
  });

export const curvesQuery = (query: Schemas['SeriesQuery']) =>
  queryOptions({
    queryKey: ['curves', query],
    queryFn: ({ signal }) => readCurves(query, signal),
    enabled: query.runs.length > 0,
    placeholderData: keepPreviousData,
    structuralSharing: false,
    gcTime: 30_000,
  });

/** Makes stale what an event names. Queries that nobody looks at are read again when somebody does. */
export function apply(client: QueryClient, event: LiveEvent): void {
  const changed = event.runs === null ? null : new Set(event.runs);
  void client.invalidateQueries({
    predicate: ({ queryKey }) => {
      if (changed === null) return true;
      const [kind, of] = queryKey as [string, unknown];
      if (changed.size === 0) return kind !== 'curves' && kind !== 'run' && kind !== 'runs';
      if (kind === 'curves') return (of as { runs: string[] }).runs.some((run) => changed.has(run));
      if (kind === 'run') return changed.has(of as string);
      if (kind === 'runs') return (of as string[]).some((run) => changed.has(run));
      return kind === 'experiments' || kind === 'table' || kind === 'keys' || kind === 'home';
    },
  });
}

export const filesQuery = (run: string) =>
  queryOptions({ queryKey: ['run', run, 'files'], queryFn: ({ signal }) => get('/api/v1/runs/{run}/files', { path: { run }, signal }) });

export const childrenQuery = (run: string) =>
  queryOptions({ queryKey: ['run', run, 'children'], queryFn: ({ signal }) => get('/api/v1/runs/{run}/children', { path: { run }, signal }) });

export const fileTextQuery = (run: string, path: string) =>
  queryOptions({
    queryKey: ['run', run, 'text', path],
    queryFn: ({ signal }) => getText(address('/api/v1/runs/{run}/files/{path}', { path: { run, path } }), signal),
  });

export const pageQuery = (run: string, path: string, offset: number, limit: number) =>
  queryOptions({
    queryKey: ['run', run, 'page', path, offset],
    queryFn: ({ signal }) => get('/api/v1/runs/{run}/tables/{path}', { path: { run, path }, query: { offset, limit }, signal }),
    placeholderData: keepPreviousData,
  });

export const lineageQuery = (urn: string, up: number, down: number) =>
  queryOptions({
    queryKey: ['lineage', urn, up, down],
    queryFn: ({ signal }) => get('/api/v1/lineage/{urn}', { path: { urn }, query: { up, down }, signal }),
    placeholderData: keepPreviousData,
  });

export interface Definition {
  kind: string;
  name: string;
  version: number;
  id: string;
  hash: string;
  created: string;
  author: string;
  spec: Record<string, unknown>;
}

/** The latest version of every definition. */
export const catalogQuery = () =>
  queryOptions({
    queryKey: ['catalog'],
    queryFn: ({ signal }) => get('/api/v1/catalog', { signal }) as Promise<Record<'entity' | 'source' | 'group' | 'view', Definition[]>>,
  });
