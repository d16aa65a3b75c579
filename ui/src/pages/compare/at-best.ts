/** What every metric was where one of them was best: clearer than each one's own best. */
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { Schemas } from '@/api/client';
import type { Points } from '@/api/curves';
import { curvesQuery } from '@/api/queries';
import { nearest } from '@/shared/chart/series';
import { lessIsBetter } from '@/shared/merit';
import type { AtStep } from './facts';

const WIDTH = 4000;
const MOST_KEYS = 100;

export function useAtBest(runs: readonly Schemas['Run'][], of: string, metrics: readonly string[]): AtStep | null {
  const keys = useMemo(() => [...new Set([of, ...metrics])].slice(0, MOST_KEYS), [of, metrics]);
  const query = useQuery(curvesQuery({ runs: runs.map((run) => run.id), keys, width: WIDTH, axis: 'step' }));
  return useMemo(() => (query.data === undefined || runs.length === 0 ? null : valuesAtBest(query.data, of)), [query.data, of, runs.length]);
}

/** Of each run: the value of every metric at, or last before, the step where `of` was best. */
export function valuesAtBest(points: readonly Points[], of: string): AtStep {
  const found = new Map<string, Map<string, number>>();
  for (const one of points.filter((item) => item.key === of)) {
    const step = bestStep(one, lessIsBetter(of));
    if (step === null) continue;
    const values = new Map<string, number>();
    for (const other of points.filter((item) => item.run === one.run)) {
      let place = nearest(other.x, step);
      if ((other.x[place] ?? Infinity) > step) place -= 1;
      const value = other.key === of ? extreme(one, lessIsBetter(of)) : other.last[place];
      if (place >= 0 && value !== undefined) values.set(other.key, value);
    }
    found.set(one.run, values);
  }
  return found;
}

function bestStep(points: Points, less: boolean): number | null {
  const wanted = extreme(points, less);
  const side = less ? points.low : points.high;
  const place = side.indexOf(wanted);
  return place < 0 ? null : (points.x[place] ?? null);
}

function extreme(points: Points, less: boolean): number {
  let found = NaN;
  for (const value of less ? points.low : points.high) {
    if (Number.isNaN(value)) continue;
    if (Number.isNaN(found) || (less ? value < found : value > found)) found = value;
  }
  return found;
}
