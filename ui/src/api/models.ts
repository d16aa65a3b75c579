/** The registry. */
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { get, patch, post, Problem, put, remove, type Schemas } from './client';

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

/** Makes a version from a logged model; first the model, if nobody has. */
export async function register(run: string, logged: string, name: string, isNew: boolean): Promise<{ name: string; version: string }> {
  if (isNew) {
    await post('/api/v1/models', { name, description: '' }).catch((error: unknown) => {
      if (!(error instanceof Problem && error.status === 409)) throw error; // somebody was faster: it is there
    });
  }
  const found = (await post('/api/2.0/mlflow/model-versions/create', { name, source: `models:/${logged}`, run_id: run })) as unknown as { model_version: { name: string; version: string | number } };
  return { name: found.model_version.name, version: String(found.model_version.version) };
}

export type TransitionRequest = Schemas['TransitionRequest'];
export type Prediction = Schemas['Prediction'];

/** Requests about a version, those that are decided too. */
export const requestsQuery = (model: string, version: number) =>
  queryOptions({ queryKey: ['models', model, 'requests', version], queryFn: async ({ signal }) => (await get('/api/v1/requests', { query: { model, version, status: 'all' }, signal })).requests });

export function ask(name: string, version: number, to: Stage, reason: string): Promise<TransitionRequest> {
  return post('/api/v1/models/{name}/versions/{version}/requests', { to, reason }, { path: { name, version: String(version) } });
}

export function remark(request: string, kind: Schemas['NewRemark']['kind'], text: string): Promise<TransitionRequest> {
  return post('/api/v1/requests/{request}/remarks', { kind, text }, { path: { request } });
}

export function writeCard(name: string, version: number, text: string) {
  return put('/api/v1/models/{name}/versions/{version}/card', { text }, { path: { name, version: String(version) } });
}

export const timelineQuery = (name: string) =>
  queryOptions({ queryKey: ['models', name, 'timeline'], queryFn: async ({ signal }) => (await get('/api/v1/models/{name}/timeline', { path: { name }, signal })).aliases });

/** The newest predictions of a version. */
export const predictionsQuery = (name: string, version: number) =>
  queryOptions({
    queryKey: ['predictions', name, version],
    queryFn: async ({ signal }) => (await get('/api/v1/models/{name}/predictions', { path: { name }, query: { version, limit: 500 }, signal })).predictions,
    refetchInterval: 30_000,
  });

/** The reports of the gates that decided about a version. */
export const decisionsQuery = (name: string, version: number) =>
  queryOptions({ queryKey: ['models', name, 'decisions', version], queryFn: async ({ signal }) => (await get('/api/v1/models/{name}/decisions', { path: { name }, query: { version }, signal })).decisions });

export const checkedAuditQuery = () => queryOptions({ queryKey: ['audit', 'verify'], queryFn: async ({ signal }) => (await get('/api/v1/audit/verify', { signal })).histories, enabled: false, gcTime: 0 });

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

/** Two versions side by side. */
export const differencesQuery = (name: string, a: number, b: number) =>
  queryOptions({ queryKey: ['models', name, 'compare', a, b], queryFn: ({ signal }) => get('/api/v1/models/{name}/compare', { path: { name }, query: { a: String(a), b: String(b) }, signal }) });

export type TextChange = Partial<Pick<Schemas['ModelVersionChange'], 'description' | 'owner' | 'set' | 'remove'>>;

export function changeModel(name: string, change: TextChange) {
  return patch('/api/v1/models/{name}', change as Schemas['RegisteredModelChange'], { path: { name } });
}

export function changeVersion(name: string, version: number, change: TextChange) {
  return patch('/api/v1/models/{name}/versions/{version}', change as Schemas['ModelVersionChange'], { path: { name, version: String(version) } });
}

export function deleteModel(name: string) {
  return remove('/api/v1/models/{name}', { path: { name } });
}

export function deleteVersion(name: string, version: number) {
  return remove('/api/v1/models/{name}/versions/{version}', { path: { name, version: String(version) } });
}

export function setAlias(name: string, alias: string, version: number) {
  return put('/api/v1/models/{name}/aliases/{alias}', { version }, { path: { name, alias } });
}

export function deleteAlias(name: string, alias: string) {
  return remove('/api/v1/models/{name}/aliases/{alias}', { path: { name, alias } });
}
