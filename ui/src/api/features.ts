/** The feature store. */
import { queryOptions } from '@tanstack/react-query';
import { get, post, type Schemas } from './client';
import type { Definition } from './queries';

export type Fresh = Schemas['GroupFreshness'];
export type Summary = Schemas['StatisticsSummary'];
export type Check = Schemas['QualityCheck'];
export type Column = Schemas['ColumnStatistics'];

export const freshnessQuery = () =>
  queryOptions({
    queryKey: ['freshness'],
    queryFn: async ({ signal }) => (await get('/api/v1/freshness', { signal })).groups,
    refetchInterval: 30_000,
  });

export const summariesQuery = () =>
  queryOptions({ queryKey: ['statistics'], queryFn: async ({ signal }) => (await get('/api/v1/statistics', { signal })).groups });

export const statisticsQuery = (name: string) =>
  queryOptions({ queryKey: ['statistics', name], queryFn: ({ signal }) => get('/api/v1/statistics/{name}', { path: { name }, signal }), retry: false });

export const materializationsQuery = (group: string) =>
  queryOptions({ queryKey: ['materializations', group], queryFn: ({ signal }) => get('/api/v1/materializations/{group}', { path: { group }, signal }) });

/** Every expectation of the store and how it fares. */
export const qualityQuery = () =>
  queryOptions({ queryKey: ['quality'], queryFn: async ({ signal }) => (await get('/api/v1/quality', { signal })).checks, refetchInterval: 30_000 });

export const definitionQuery = (kind: string, name: string) =>
  queryOptions({
    queryKey: ['definition', kind, name],
    queryFn: async ({ signal }) => (await get('/api/v1/catalog/{kind}/{name}', { path: { kind, name }, signal })) as unknown as Definition & { versions: Omit<Definition, 'spec'>[] },
  });

/** The values of a view now, for one entity. */
export function lookUp(view: string, entities: Record<string, unknown>): Promise<Schemas['OnlineFeatures']> {
  return post('/api/v1/features/online', { view, entities } as never);
}

/** What the online store says of one entity, beside what history says as of the same moment. */
export function compareStores(view: string, entities: Record<string, unknown>) {
  return post('/api/v1/features/parity', { view, entities, at: null });
}
