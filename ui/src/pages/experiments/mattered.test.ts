import { describe, expect, it } from 'vitest';
import { fit, ticks } from './axes';
import { mattered, spearman } from './mattered';

describe('what mattered', () => {
  const metric = Array.from({ length: 40 }, (_, index) => index % 4 + (index % 3) / 100);
  it('is led by the param that the metric goes with', () => {
    const params = { cause: metric.map((value) => String(Math.floor(value))), noise: metric.map((_, index) => String((index * 7) % 5)) };
    const [first, second] = mattered(metric, params);
    expect(first?.param).toBe('cause');
    expect(first?.way).toBe(1);
    expect(first?.strength).toBeGreaterThan(0.9);
    expect(second?.strength ?? 0).toBeLessThan(0.2);
  });
  it('knows categories, and leaves out what never varies', () => {
    const params = { kind: metric.map((value) => `k${Math.floor(value)}`), same: metric.map(() => '1') };
    expect(mattered(metric, params).map((share) => [share.param, share.way])).toEqual([['kind', 0]]);
  });
  it('ranks equal values alike', () => {
    expect(spearman([1, 2, 3], [3, 2, 1])).toBeCloseTo(-1);
    expect(spearman([1, 1, 1], [1, 2, 3])).toBe(0);
  });
});

describe('an axis', () => {
  it('is logarithmic where positive values span a hundredfold', () => {
    expect(fit([0.001, 1], 0, 100).log).toBe(true);
    expect(fit([-1, 100], 0, 100).log).toBe(false);
    expect(ticks(fit([0.001, 1], 0, 100), 5)).toContain(0.01);
  });
  it('holds a lone value in its middle', () => {
    expect(fit([5], 0, 100).at(5)).toBe(50);
  });
});
