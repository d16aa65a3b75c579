import { expect, it } from 'vitest';
import type { Model, Version } from '@/api/models';
import { keyMetric } from './figures';

const version = (metrics: Record<string, number>, figures: Record<string, number> = {}) => ({ metrics, evaluations: Object.keys(figures).length === 0 ? [] : [{ figures }] }) as unknown as Version;
const model = (...gates: [metric: string, rule: string][]) => ({ gates: gates.map(([metric, rule]) => ({ metric, rule })) }) as unknown as Model;

it('knows which way is better from the gate, then from the name of what was evaluated, and of what was only logged not at all', () => {
  expect(keyMetric(model(['churn', "churn lower than the champion's by 0.01"]), version({}, { churn: 3 }))).toMatchObject({ key: 'churn', less: true });
  expect(keyMetric(model(['loss_avoided', "loss_avoided higher than the champion's by 0"]), version({}, { loss_avoided: 3 }))).toMatchObject({ less: false });
  expect(keyMetric(model(), version({}, { rmse: 3 }))).toMatchObject({ less: true });
  expect(keyMetric(model(), version({}, { auc: 0.5 }))).toMatchObject({ less: false });
  expect(keyMetric(model(), version({ rows: 100 }))).toMatchObject({ less: null });
});
