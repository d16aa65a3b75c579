/** What pages ask for, each with the key under which it is kept. A live event makes stale what it names. */
import { keepPreviousData, queryOptions, type Query, type QueryClient } from '@tanstack/react-query';
import { get, getText, patch, post, Problem, type Schemas } from './client';
import { readCurves, type Points } from './curves';
import type { LiveEvent, NewPoints } from './live';
import { address } from './request';
import { searchOf, type TableQuery } from './search';

/** So often is asked whether what runs is still heard of: that it is lost, no event tells. */
const HEARD_OF = 30_000;
/** So soon all runs are counted, once the page has what it shows first. */
const COUNTED_AFTER = 1000;

export const experimentsQuery = () =>
  queryOptions({ queryKey: ['experiments'], queryFn: ({ signal }) => get('/api/v1/experiments', { signal }), placeholderData: keepPreviousData });

/** Sets tags of an experiment, and removes others. */
export const changeTags = (experiment: string, set: Record<string, string>, gone: string[]) =>
  patch('/api/v1/experiments/{experiment}', { set, remove: gone, name: null, note: null, stage: null }, { path: { experiment } });

/** Of very many runs, first what the newest have, at once; all are counted behind it. */
export const keysQuery = (experiments: string) =>
  queryOptions({
    queryKey: ['keys', experiments],
    queryFn: ({ signal, client, queryKey }) => get('/api/v1/experiments/{experiments}/keys', { path: { experiments }, query: { exact: client.getQueryData(queryKey) !== undefined }, signal }),
    refetchInterval: ({ state }) => (state.data?.exact === false ? COUNTED_AFTER : false),
  });

export const searchRuns = (query: TableQuery, signal: AbortSignal) => post('/api/v1/runs/search', searchOf(query), { signal });

/** What may follow at a place in a query; places count characters, not halves of some. */
export const completeQuery = (text: string, position: number, experiments: string[], signal: AbortSignal) =>
  post('/api/v1/runs/complete', { text, position, field: 'query', experiments }, { signal });

export const tableQuery = (query: TableQuery) =>
  queryOptions({
    queryKey: ['table', query],
    queryFn: ({ signal }) => searchRuns(query, signal),
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => (state.data?.runs.some((run) => run.state === 'RUNNING') === true ? HEARD_OF : false),
  });

export const runQuery = (run: string) =>
  queryOptions({ queryKey: ['run', run], queryFn: ({ signal }) => get('/api/v1/runs/{run}', { path: { run }, signal }), refetchInterval: ({ state }) => (state.data?.state === 'RUNNING' ? HEARD_OF : false) });

/** Those of some runs that are here: one that was removed takes no other with it. Fails if none is. */
async function readRuns(runs: string[], signal: AbortSignal): Promise<Schemas['Runs']> {
  try {
    return await post('/api/v1/runs/get', { runs }, { signal });
  } catch (error) {
    if (!isGone(error) || runs.length === 1) throw error;
    const read = await Promise.allSettled(runs.map((run) => get('/api/v1/runs/{run}', { path: { run }, signal })));
    const failed = read.find((one) => one.status === 'rejected' && !isGone(one.reason));
    const found = read.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    if (failed !== undefined || found.length === 0) throw error;
    return { runs: found };
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Problem && error.status === 404;
}

export const runsQuery = (runs: string[]) =>
  queryOptions({
    queryKey: ['runs', runs],
    queryFn: ({ signal }) => readRuns(runs, signal),
    enabled: runs.length > 0,
    placeholderData: keepPreviousData,
  });

/** Of curves that are kept: the runs whose curves are old. What isn't here is old as a whole. */
const grown = new WeakMap<Query, Set<string>>();

/** Curves; when some runs have new points, only theirs are read again. */
export const curvesQuery = (query: Schemas['SeriesQuery']) =>
  queryOptions({
    queryKey: ['curves', query],
    queryFn: async ({ signal, client, queryKey }) => {
      const held = client.getQueryCache().find({ queryKey, exact: true });
      const runs = held === undefined ? undefined : grown.get(held);
      const points = held?.state.data as Points[] | undefined;
      if (held === undefined || points === undefined || runs === undefined) return readCurves(query, signal);
      grown.delete(held);
      try {
        return merged(points, await readCurves({ ...query, runs: [...runs] }, signal), query);
      } catch (error) {
        grown.set(held, new Set([...runs, ...(grown.get(held) ?? [])]));
        throw error;
      }
    },
    enabled: query.runs.length > 0,
    placeholderData: keepPreviousData,
    structuralSharing: false,
    gcTime: 30_000,
  });

/** Curves with some of them exchanged, in the order that was asked for. */
export function merged(held: readonly Points[], fresh: readonly Points[], { runs, keys }: Pick<Schemas['SeriesQuery'], 'runs' | 'keys'>): Points[] {
  const all = new Map([...held, ...fresh].map((points) => [`${points.run} ${points.key}`, points]));
  return runs.flatMap((run) => keys.flatMap((key) => all.get(`${run} ${key}`) ?? []));
}

/** So many curves that no chart shows are kept, for whoever scrolls back. Of a thousand charts the others would fill the tab. */
const KEPT_CURVES = 48;

/** Lets go of the curves that nobody looked at for longest. */
export function boundCurves(client: QueryClient, most = KEPT_CURVES): () => void {
  const cache = client.getQueryCache();
  const idle = new Set<Query>();
  return cache.subscribe((event) => {
    const [type, query] = [event.type, event.query as Query];
    if (query.queryKey[0] !== 'curves') return;
    if (type === 'removed' || query.getObserversCount() > 0) idle.delete(query);
    else if (type === 'observerRemoved') {
      idle.add(query);
      for (const oldest of idle) {
        if (idle.size <= most) break;
        idle.delete(oldest);
        cache.remove(oldest);
      }
    }
  });
}

/** Makes stale what an event names. Queries that nobody looks at are read again when somebody does. */
export function apply(client: QueryClient, { runs, catalog, created }: LiveEvent): void {
  void client.invalidateQueries({
    predicate: (query) => {
      const [kind, of] = query.queryKey as [string, unknown];
      if (runs === null) {
        grown.delete(query);
        return true;
      }
      if (kind === 'curves') return growing(query, of as Schemas['SeriesQuery'], runs);
      if (kind === 'run') return runs.has(of as string) && (created || query.queryKey.length === 2);
      if (kind === 'runs') return (of as string[]).some((run) => runs.has(run));
      if (runs.size > 0 && (kind === 'table' || kind === 'home')) return true;
      if (kind === 'keys') return created || [...runs.values()].some((points) => bringsKeys(points, query.state.data as Schemas['RunKeys'] | undefined));
      if (kind === 'experiments') return created || catalog;
      return catalog;
    },
  });
}

/** Whether some of the curves have new points; which, is kept until they are read. */
function growing(query: Query, { runs, keys, axis }: Schemas['SeriesQuery'], changed: ReadonlyMap<string, NewPoints>): boolean {
  const read = axis.startsWith('metric:') ? [...keys, axis.slice('metric:'.length)] : keys;
  const found = runs.filter((run) => {
    const points = changed.get(run);
    return points === null || (points !== undefined && read.some((key) => points.has(key)));
  });
  if (found.length > 0 && query.state.data !== undefined && (!query.state.isInvalidated || grown.has(query))) grown.set(query, new Set([...(grown.get(query) ?? []), ...found]));
  return found.length > 0;
}

function bringsKeys(points: NewPoints, known: Schemas['RunKeys'] | undefined): boolean {
  return points === null ? known !== undefined : [...points].some((key) => known?.metrics[key] === undefined);
}

export const filesQuery = (run: string) =>
  queryOptions({ queryKey: ['run', run, 'files'], queryFn: ({ signal }) => get('/api/v1/runs/{run}/files', { path: { run }, signal }) });

export const childrenQuery = (run: string) =>
  queryOptions({ queryKey: ['run', run, 'children'], queryFn: ({ signal }) => get('/api/v1/runs/{run}/children', { path: { run }, signal }) });

/** A text from a byte on. */
export const fileTextQuery = (run: string, path: string, start = 0, most?: number) =>
  queryOptions({
    queryKey: ['run', run, 'text', path, start],
    queryFn: ({ signal }) => getText(address('/api/v1/runs/{run}/files/{path}', { path: { run, path } }), signal, start, most),
  });

/** So often is asked what is new in a log of a run that goes on. */
const LOG_EVERY = 3000;

/** A log, by whoever knows how far it was read. */
export const logQuery = <T>(run: string, path: string, follow: () => Promise<T>, goesOn: boolean) =>
  queryOptions({ queryKey: ['run', run, 'log', path], queryFn: follow, refetchInterval: goesOn ? LOG_EVERY : false, structuralSharing: false, staleTime: 0, gcTime: 0 });

export type FoundLines = Pick<Schemas['FileLines'], 'lines' | 'found' | 'count' | 'end' | 'last'>;

/** So many lines that were found are kept. */
const MOST_FOUND = 5000;

/** The lines of a file that have a text in them. Asked again, only what has come since is looked through; a file that was replaced is
 * another one, by its generation. */
export const foundLinesQuery = (run: string, path: string, find: string, generation: number) =>
  queryOptions({
    queryKey: ['run', run, 'found', path, find, generation],
    queryFn: async ({ signal, client, queryKey }) => {
      let held = client.getQueryData<FoundLines>(queryKey) ?? { lines: [], found: 0, count: 0, end: 0, last: null };
      for (;;) {
        const part = await get('/api/v1/runs/{run}/lines/{path}', { path: { run, path }, query: { find, start: held.end, limit: MOST_FOUND - held.lines.length }, signal });
        const before = held;
        const numbered = (line: Schemas['FileLine']) => ({ ...line, number: line.number + before.count });
        held = { lines: [...before.lines, ...part.lines.map(numbered)], found: before.found + part.found, count: before.count + part.count, end: part.end, last: part.last === null ? null : numbered(part.last) };
        if (part.count === 0 || part.end >= part.size) return held;
      }
    },
    structuralSharing: false,
    staleTime: 0,
    gcTime: 30_000,
  });

/** Where a page of a table begins: in a text file at a byte, in others after so many rows. */
export interface TablePlace {
  start: number;
  offset: number;
}

export const pageQuery = (run: string, path: string, { start, offset }: TablePlace, limit: number) =>
  queryOptions({
    queryKey: ['run', run, 'page', path, start, offset],
    queryFn: ({ signal }) => get('/api/v1/runs/{run}/tables/{path}', { path: { run, path }, query: { start, offset, limit }, signal }),
    placeholderData: keepPreviousData,
  });

export const lineageQuery = (urn: string, up: number, down: number) =>
  queryOptions({
    queryKey: ['lineage', urn, up, down],
    queryFn: ({ signal }) => get('/api/v1/lineage/{urn}', { path: { urn }, query: { up, down }, signal }),
    placeholderData: keepPreviousData,
  });

/** What would change if a thing did. */
export const impactQuery = (urn: string) =>
  queryOptions({
    queryKey: ['impact', urn],
    queryFn: ({ signal }) => get('/api/v1/impact/{urn}', { path: { urn }, signal }),
    placeholderData: keepPreviousData,
  });

export interface Definition {
  kind: string;
  name: string;
  version: number;
  id: string;
  /** Names a group's values: the first version that computes the same. */
  basis: string;
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
