import { describe, expect, it } from 'vitest';
import { layOut, linesOf, nearestLine, planOf } from './parallel-lines';

const found = { runs: [{ id: 'a', name: 'a' }, { id: 'b', name: 'b' }], columns: { 'params.kind': ['x', 'y'], 'metrics.auc': [0.5, 0.9] } };

describe('parallel coordinates', () => {
  it('stand beside each other where there is room, and lie below each other on a phone', () => {
    const [wide, narrow] = [layOut(5, 1200, 700), layOut(5, 276, 520)];
    expect([wide.upright, wide.across(0), wide.across(4)]).toEqual([true, 70, 1130]);
    expect(wide.from).toBeGreaterThan(wide.to); // more is higher
    expect([narrow.upright, narrow.from, narrow.to, narrow.across(0), narrow.across(4)]).toEqual([false, 30, 246, 40, 484]);
    expect([wide.point(0, 100), narrow.point(0, 100)]).toEqual([[70, 100], [100, 40]]);
    expect(layOut(2, 276, 520).upright).toBe(true); // two have room
  });

  it.each([layOut(2, 1200, 700), layOut(6, 276, 520)])('place each run on each axis, and are found again there', (layout) => {
    const plans = Object.entries(found.columns).map(([name, column]) => planOf(name, column, layout));
    const [low, high] = linesOf(found as never, plans, layout);
    expect([low?.share, high?.share].map((share) => Math.round((share ?? 0) * 10))).toEqual([0, 10]);
    const middle = (layout.across(0) + layout.across(1)) / 2;
    for (const line of [low, high]) {
      const [a, b] = [line?.at[0] ?? 0, line?.at[1] ?? 0];
      expect(nearestLine([low, high].filter((one) => one !== undefined), middle, (a + b) / 2 + 2, layout.across)?.id).toBe(line?.id);
    }
  });

  it('leave out labels that would touch', () => {
    const kinds = Array.from({ length: 24 }, (_, index) => `kind-${String(index).padStart(2, '0')}`);
    const lying = planOf('params.kind', kinds, layOut(6, 276, 520)).labels;
    expect(lying.length).toBeGreaterThan(1);
    expect(lying.every((label, index) => index === 0 || label.at - (lying[index - 1]?.at ?? 0) >= label.text.length * 7)).toBe(true);
    expect(planOf('params.kind', kinds, layOut(6, 1200, 700)).labels).toHaveLength(24);
  });
});
