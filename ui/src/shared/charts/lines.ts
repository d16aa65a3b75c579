/** From the server's points to what a chart draws: a line a run, or a mean with its band a group. */
import type { Points } from '@/api/curves';
import type { Axis } from '@/shared/chart/curve';
import { looks as looksOf, type Look } from '@/shared/chart/palette';
import { summarise, type Band, type Line } from '@/shared/chart/series';
import type { RunLabel } from './charts';

export interface Grouping {
  band: Band;
  /** Run to the label of its group. */
  of: ReadonlyMap<string, string>;
}

/** Microseconds since 1970 become seconds since the run began. */
function placed(points: Points, run: RunLabel | undefined, axis: Axis): Points {
  if (axis !== 'time' || run === undefined) return points;
  return { ...points, x: points.x.map((at) => (at / 1000 - run.start) / 1000) };
}

export function decodeLines(points: readonly Points[], runs: readonly RunLabel[], looks: ReadonlyMap<string, Look>, axis: Axis): Line[] {
  const of = new Map(runs.map((run) => [run.id, run]));
  return points.flatMap((one) => {
    const run = of.get(one.run);
    const look = looks.get(one.run);
    if (run === undefined || look === undefined) return [];
    const { x, last, low, high, nans } = placed(one, run, axis);
    return [{ id: run.id, label: run.name, colour: look.colour, dash: look.dash, x, y: last, low, high, nans }];
  });
}

export function groupLines(points: readonly Points[], grouping: Grouping, runs: readonly RunLabel[], axis: Axis): Line[] {
  const of = new Map(runs.map((run) => [run.id, run]));
  const members = new Map<string, Points[]>();
  for (const one of points) {
    const label = grouping.of.get(one.run);
    if (label !== undefined) members.set(label, [...(members.get(label) ?? []), placed(one, of.get(one.run), axis)]);
  }
  const looks = looksOf([...new Set(grouping.of.values())]);
  return [...members].map(([label, some]) => {
    const look = looks.get(label) ?? { colour: '--run-0', dash: [] };
    return { id: label, label: `${label} · ${some.length}`, ...look, ...summarise(some, grouping.band) };
  });
}
