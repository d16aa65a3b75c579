import { describe, expect, it } from 'vitest';
import type { Schemas } from '@/api/client';
import { lessIsBetter } from '@/shared/merit';
import { best, factsOf, nextDifference } from './facts';

const run = (id: string, auc: number, depth: string) =>
  ({
  id, name: id, experiment_id: '1', experiment: 'e', status: 'FINISHED', start: '2026-01-01T00:00:00Z', end: '2026-01-01T00:01:00Z', user: 'u', lifecycle_stage: 'active', parent: null, urn: `run:${id}`,
  params: { depth, same: '1' }, tags: {}, inputs: [], models: [],
  metrics: { auc: { value: auc, low: auc - 1, high: auc + 1, step: 1, count: 2, time: '2026-01-01T00:00:00Z', low_step: 0, high_step: 1, goal: 'max' } },
}) as unknown as Schemas['Run'];

describe('facts', () => {
  const rows = factsOf([run('a', 0.5, '4'), run('b', 0.7, '6')], 'last', null);
  it('say which differ', () => {
    expect(rows.filter((row) => row.differs).map((row) => row.key)).toEqual(['auc', 'depth']);
  });
  it('read the figure that is asked for', () => {
    expect(factsOf([run('a', 0.5, '4')], 'high', null)[0]?.numbers).toEqual([1.5]);
    const at = new Map([['a', new Map([['auc', 0.25]])]]);
    expect(factsOf([run('a', 0.5, '4')], 'best', at)[0]?.values).toEqual(['0.25']);
  });
  it('compare environments, and call what git said by names', () => {
    const tagged = { ...run('b', 0.5, '4'), tags: { 'mlflow.source.git.commit': 'abc' } };
    const environments = new Map([['a', new Map([['python', '3.11'], ['numpy', '2.1']])], ['b', new Map([['python', '3.12'], ['numpy', '2.1']])], ['uncaptured', new Map()]]);
    const found = factsOf([run('a', 0.5, '4'), tagged, run('uncaptured', 0.5, '4')], 'last', null, environments);
    expect(found.filter(({ section }) => section === 'Environment' || section === 'Code').map(({ key, values, differs }) => [key, values, differs])).toEqual([
      ['commit', [null, 'abc', null], true],
      ['python', ['3.11', '3.12', null], true],
      ['numpy', ['2.1', '2.1', null], false],
    ]);
  });
  it('are walked from difference to difference, around the end', () => {
    const first = nextDifference(rows, -1, 1);
    const second = nextDifference(rows, first, 1);
    expect(rows[second]?.key).toBe('depth');
    expect(nextDifference(rows, second, 1)).toBe(first);
    expect(nextDifference(rows, first, -1)).toBe(second);
  });
});

describe('the best', () => {
  it('is the highest, or the lowest of what is better low', () => {
    expect(best([1, 3, 2], false)).toBe(1);
    expect(best([1, 3, null], true)).toBe(0);
    expect(lessIsBetter('val/loss') && lessIsBetter('rmse') && !lessIsBetter('auc') && !lessIsBetter('glossary')).toBe(true);
  });
  it('is nobody among equals, and never NaN', () => {
    expect(best([2, 2], false)).toBe(-1);
    expect(best([NaN, 1, 2], false)).toBe(2);
  });
});
