/** The registry. */
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { get, post, type Schemas } from './client';

export type Model = Schemas['RegisteredModel'];
export type Version = Schemas['ModelVersion'];
export type Report = Schemas['GateReport'];
export type Stage = Version['stage'];

export const STAGES: readonly Stage[] = ['None', 'Staging', 'Production', 'Archived'];

export const modelsQuery = () => queryOptions({ queryKey: ['models'], queryFn: ({ signal }) => get('/api/v1/models', { signal }) });

export const modelQuery = (name: string) => queryOptions({ queryKey: ['models', name], queryFn: ({ signal }) => get('/api/v1/models/{name}', { path: { name }, signal }) });

export const historyQuery = (name: string) =>
  queryOptions({ queryKey: ['models', name, 'history'], queryFn: ({ signal }) => get('/api/v1/models/{name}/history', { path: { name }, signal }) });

export const gatesQuery = (name: string, version: number) =>
  queryOptions({
    queryKey: ['models', name, 'gates', version],
    queryFn: ({ signal }) => get('/api/v1/models/{name}/versions/{version}/gates', { path: { name, version: String(version) }, signal }),
  });

export function move(name: string, version: number, to: Stage, reason: string, force: boolean): Promise<Report> {
  return post('/api/v1/models/{name}/versions/{version}/stage', { to, reason, force }, { path: { name, version: String(version) } });
}

export function rollback(name: string, reason: string, to?: number): Promise<Model> {
  return post('/api/v1/models/{name}/rollback', { reason, ...(to === undefined ? {} : { to }) }, { path: { name } });
}

export type AuditEntry = Schemas['AuditEntry'];
const PAGE = 500;

/** A page goes on at the moment where the one before ended, so that entries of the same moment come twice; `entriesOf` leaves one. */
export const auditQuery = (user?: string) =>
  infiniteQueryOptions({
    queryKey: ['audit', user],
    queryFn: ({ signal, pageParam }) => get('/api/v1/audit', { query: { limit: PAGE, ...(user === undefined ? {} : { user }), ...(pageParam === '' ? {} : { until: pageParam }) }, signal }),
    initialPageParam: '',
    getNextPageParam: (last) => (last.entries.length < PAGE ? undefined : last.entries.at(-1)?.time),
  });

export function entriesOf(pages: readonly { entries: AuditEntry[] }[]): AuditEntry[] {
  return [...new Map(pages.flatMap((page) => page.entries.map((entry) => [entry.hash, entry] as const))).values()];
}

/** Requests to move a version that somebody has to decide about. */
export const openRequestsQuery = () => queryOptions({ queryKey: ['models', 'requests', 'open'], queryFn: ({ signal }) => get('/api/v1/requests', { query: { status: 'open' }, signal }) });
