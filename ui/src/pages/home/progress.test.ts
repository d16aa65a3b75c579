import { describe, expect, it } from 'vitest';
import { progressOf, toldMetric } from './progress';

const START = '2026-01-01T00:00:00Z';
const at = (seconds: number) => Date.parse(START) + seconds * 1000;
const metric = (value: number, step: number, count = 10, seconds = 60) => ({
  value, step, count, time: new Date(at(seconds)).toISOString(), low: value, low_step: 0, high: value, high_step: 0, goal: 'min' as const,
});

describe('progressOf', () => {
  it('takes the pace of the points, and the time since the newest', () => {
    const run = { start: START, params: { max_steps: '100' }, metrics: { loss: metric(1, 24), 'system/cpu': metric(9, 900) } };
    expect(progressOf(run, at(60))).toEqual({ part: 0.25, left: 180 });
    expect(progressOf(run, at(90))).toEqual({ part: 0.25, left: 150 });
  });

  it('reads epochs where the run counts them, in a nested param too', () => {
    const run = { start: START, params: { 'trainer.max_epochs': '8' }, metrics: { epoch: metric(2, 2000) } };
    expect(progressOf(run, at(60))?.part).toBe(0.25);
  });

  it('says nothing where no total is known, or the total is wrong', () => {
    expect(progressOf({ start: START, params: { depth: '6' }, metrics: { loss: metric(1, 24) } }, at(60))).toBeNull();
    expect(progressOf({ start: START, params: { steps: '10' }, metrics: { loss: metric(1, 24) } }, at(60))).toBeNull();
    expect(progressOf({ start: START, params: { steps: 'many' }, metrics: { loss: metric(1, 2) } }, at(60))).toBeNull();
    expect(progressOf({ start: START, params: { steps: '10' }, metrics: {} }, at(60))).toBeNull();
  });
});

describe('toldMetric', () => {
  it('prefers what is validated, then a loss, then a score', () => {
    const metrics = { lr: metric(1, 1), auc: metric(1, 1), 'train/loss': metric(1, 1), 'val/loss': metric(1, 1) };
    expect(toldMetric({ metrics })).toBe('val/loss');
    expect(toldMetric({ metrics: { lr: metric(1, 1), auc: metric(1, 1) } })).toBe('auc');
    expect(toldMetric({ metrics: { zeta: metric(1, 1), lr: metric(1, 1) } })).toBe('lr');
  });

  it('passes over what has no curve where another has, and what the system logs', () => {
    expect(toldMetric({ metrics: { loss: metric(1, 1, 1), zeta: metric(1, 1) } })).toBe('zeta');
    expect(toldMetric({ metrics: { loss: metric(1, 1, 1), 'system/cpu': metric(1, 1) } })).toBe('loss');
    expect(toldMetric({ metrics: { 'system/cpu': metric(1, 1) } })).toBeNull();
  });
});
