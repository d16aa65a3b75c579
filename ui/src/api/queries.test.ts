import { QueryClient, QueryObserver } from '@tanstack/react-query';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Points } from './curves';
import * as curves from './curves';
import { apply, boundCurves, curvesQuery } from './queries';

const points = (run: string, count: number): Points => ({ run, key: 'loss', count, x: new Float64Array(), last: new Float64Array(), low: new Float64Array(), high: new Float64Array(), marks: new Float64Array() });
const QUERY = { runs: ['a', 'b'], keys: ['loss'], width: 100, axis: 'step' };

describe('curves', () => {
  afterEach(() => vi.restoreAllMocks());

  it('are read again of the runs that have new points, and of these alone', async () => {
    const client = new QueryClient();
    const read = vi.spyOn(curves, 'readCurves').mockImplementation(({ runs }) => Promise.resolve(runs.map((run) => points(run, 1))));
    await client.query(curvesQuery(QUERY));
    apply(client, { runs: new Map([['b', new Set(['auc'])]]), catalog: false, created: false });
    expect(client.getQueryState(curvesQuery(QUERY).queryKey)?.isInvalidated).toBe(false);
    apply(client, { runs: new Map([['b', new Set(['loss'])], ['elsewhere', null]]), catalog: false, created: false });
    read.mockImplementation(({ runs }) => Promise.resolve(runs.map((run) => points(run, 2))));
    const now = await client.query(curvesQuery(QUERY));
    expect(read.mock.lastCall?.[0].runs).toEqual(['b']);
    expect(now.map((one) => [one.run, one.count])).toEqual([['a', 1], ['b', 2]]);
  });

  it('are read whole after a gap, and what failed is read the next time', async () => {
    const client = new QueryClient();
    const read = vi.spyOn(curves, 'readCurves').mockImplementation(({ runs }) => Promise.resolve(runs.map((run) => points(run, 1))));
    await client.query(curvesQuery(QUERY));
    apply(client, { runs: new Map([['b', null]]), catalog: false, created: false });
    read.mockRejectedValueOnce(new Error('gone'));
    await expect(client.query({ ...curvesQuery(QUERY), retry: false })).rejects.toThrow('gone');
    await client.query({ ...curvesQuery(QUERY), staleTime: 0 });
    expect(read.mock.lastCall?.[0].runs).toEqual(['b']);
    apply(client, { runs: new Map([['b', null]]), catalog: false, created: false });
    apply(client, { runs: null, catalog: false, created: false });
    await client.query(curvesQuery(QUERY));
    expect(read.mock.lastCall?.[0].runs).toEqual(['a', 'b']);
  });

  it('that no chart shows are kept up to some, the latest of them', async () => {
    const client = new QueryClient();
    vi.spyOn(curves, 'readCurves').mockImplementation(({ runs }) => Promise.resolve(runs.map((run) => points(run, 1))));
    const stop = boundCurves(client, 2);
    const asked = ['a', 'b', 'c', 'd'].map((key) => curvesQuery({ ...QUERY, keys: [key] }));
    const watching = asked.map((query) => new QueryObserver(client, query).subscribe(() => undefined));
    await vi.waitFor(() => expect(asked.every(({ queryKey }) => client.getQueryData(queryKey) !== undefined)).toBe(true));
    for (const leave of [0, 2, 1]) watching[leave]?.();
    expect(asked.map(({ queryKey }) => client.getQueryData(queryKey) !== undefined)).toEqual([false, true, true, true]);
    watching[3]?.();
    expect(asked.map(({ queryKey }) => client.getQueryData(queryKey) !== undefined)).toEqual([false, true, false, true]);
    stop();
    client.clear();
  });
});
