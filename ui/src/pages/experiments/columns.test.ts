import { beforeEach, describe, expect, it } from 'vitest';
import type { Schemas } from '@/api/client';
import { asked, columnsOf, keepColumns, lastColumns } from './columns';

const keys = (metrics: Record<string, number>, params: Record<string, number> = {}) => ({ metrics, params, tags: {}, exact: true }) as Schemas['RunKeys'];

beforeEach(() => localStorage.clear());

describe('the columns of the table', () => {
  it('are those that were chosen, else what most runs have, figures first', () => {
    expect(columnsOf({ cols: ['params.x'] }, keys({ auc: 1 }), ['metrics.auc'])).toEqual(['params.x']);
    expect(columnsOf({}, keys({ auc: 3, loss: 9, 'system/cpu': 20 }, { depth: 9 }), [])).toEqual(['metrics.loss', 'metrics.auc', 'params.depth']);
    expect(asked({ by: ['params.depth', 'tags.team'] }, ['metrics.auc', 'params.depth'])).toEqual(['metrics.auc', 'params.depth', 'tags.team']);
  });

  it('are those of the last visit until the keys are known, and after it if the keys say the same', () => {
    keepColumns('1,2', ['metrics.auc', 'metrics.loss']);
    const last = lastColumns('1,2');
    expect(columnsOf({}, undefined, last)).toEqual(['metrics.auc', 'metrics.loss']);
    expect(columnsOf({}, keys({ auc: 3, loss: 9 }), last)).toEqual(['metrics.auc', 'metrics.loss']);
    expect(columnsOf({}, keys({ loss: 9 }), last)).toEqual(['metrics.loss']);
    expect(lastColumns('1')).toEqual([]);
  });

  it('are none where what is kept is no list of columns', () => {
    for (const kept of ['', '{', 'null', '{"a": 1}', '[1, null, "tags.x", "metrics."]']) {
      localStorage.setItem('headrace.columns.1', kept);
      expect(lastColumns('1')).toEqual([]);
    }
  });
});
