/** From the server's points to what a chart draws: a line a run, or a mean with its band a group. */
import type { Points } from '@/api/curves';
import { looksOfGroups, type Look } from '@/shared/chart/palette';
import { summarise, type Band, type Line } from '@/shared/chart/series';
import type { RunLabel } from './charts';

export interface Grouping {
  band: Band;
  /** Run to the label of its group. */
  of: ReadonlyMap<string, string>;
}

export function decodeLines(points: readonly Points[], runs: readonly RunLabel[], looks: ReadonlyMap<string, Look>): Line[] {
  const of = new Map(runs.map((run) => [run.id, run]));
  return points.flatMap((one) => {
    const run = of.get(one.run);
    const look = looks.get(one.run);
    if (run === undefined || look === undefined) return [];
    const { x, last, low, high, marks } = one;
    return [{ id: run.id, label: run.name, colour: look.colour, dash: look.dash, x, y: last, low, high, marks }];
  });
}

export function groupLines(points: readonly Points[], grouping: Grouping): Line[] {
  const members = new Map<string, Points[]>();
  for (const one of points) {
    const label = grouping.of.get(one.run);
    if (label !== undefined) members.set(label, [...(members.get(label) ?? []), one]);
  }
  const looks = looksOfGroups(grouping.of.values());
  return [...members].map(([label, some]) => {
    const look = looks.get(label) ?? { colour: '--run-0', dash: [] };
    return { id: label, label: `${label} · ${some.length}`, ...look, ...summarise(some, grouping.band) };
  });
}
