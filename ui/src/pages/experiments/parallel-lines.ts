/** Parallel coordinates as figures: where axes and values stand, and which line is near. */
import type { Schemas } from '@/api/client';
import { number } from '@/shared/ui/format';
import { fit, numeric, ticks, type Scale } from './axes';
import type { Value } from './rows';

const MOST_KINDS = 24;
/** Pixels: of a letter, nearly; between axes, so that their names and ticks have room beside each other; of a line of text. */
const LETTER = 7;
const ROOMY = 90;
const LINE = 13;
const UPRIGHT = { side: 70, top: 40, bottom: 18 };
const LYING = { side: 30, top: 40, bottom: 36 };
/** Pixels from a line within which it is near. */
const NEAR = 8;

/** Axes stand beside each other; where that is too narrow, as on a phone, they lie below each other. */
export interface Layout {
  upright: boolean;
  /** Where the lowest and the highest value of an axis stand along it. */
  from: number;
  to: number;
  /** Where an axis is. */
  across: (index: number) => number;
  /** A place along an axis, as x and y. */
  point: (index: number, along: number) => [number, number];
  /** So long a name of an axis may be. */
  letters: number;
}

export function layOut(axes: number, width: number, height: number): Layout {
  const gap = (length: number) => length / Math.max(1, axes - 1);
  const beside = gap(width - 2 * UPRIGHT.side);
  if (beside >= ROOMY || width >= height) {
    const across = (index: number) => UPRIGHT.side + index * beside;
    return { upright: true, from: height - UPRIGHT.bottom, to: UPRIGHT.top, across, point: (index, along) => [across(index), along], letters: Math.max(4, Math.floor(Math.min(beside, 2 * UPRIGHT.side) / LETTER)) };
  }
  const across = (index: number) => LYING.top + index * gap(height - LYING.top - LYING.bottom);
  return { upright: false, from: LYING.side, to: width - LYING.side, across, point: (index, along) => [along, across(index)], letters: Math.max(4, Math.floor((width - 2 * LYING.side) / LETTER)) };
}

export interface AxisPlan {
  name: string;
  labels: { at: number; text: string }[];
  place: (value: Value) => number | null;
}

/** Where values stand on an axis: numbers on a scale, other texts one beside the other. */
export function planOf(name: string, column: readonly Value[], layout: Layout): AxisPlan {
  const { from, to } = layout;
  const given = column.filter((value) => value !== null);
  const numbers = given.map(numeric).filter((value) => value !== null);
  if (numbers.length > 0 && numbers.length === given.length) {
    const scale: Scale = fit(numbers, from, to);
    const place = (value: Value) => {
      const found = numeric(value);
      return found === null ? null : scale.at(found);
    };
    return { name, labels: apart(ticks(scale, 6).map((value) => ({ at: scale.at(value), text: number(value) })), layout), place };
  }
  const kinds = [...new Set(given.map(String))].sort();
  const places = new Map(kinds.map((kind, index) => [kind, from + ((index + 0.5) * (to - from)) / kinds.length]));
  return {
    name,
    labels: apart(kinds.slice(0, MOST_KINDS).map((kind) => ({ at: places.get(kind) ?? 0, text: short(kind, 16) })), layout),
    place: (value) => (value === null ? null : (places.get(String(value)) ?? null)),
  };
}

/** Labels without those that would touch the one before. */
function apart(labels: AxisPlan['labels'], { upright }: Layout): AxisPlan['labels'] {
  const kept: AxisPlan['labels'] = [];
  for (const label of labels) {
    const before = kept.at(-1);
    const room = upright ? LINE : ((label.text.length + (before?.text.length ?? 0)) / 2 + 1) * LETTER;
    if (before === undefined || Math.abs(label.at - before.at) >= room) kept.push(label);
  }
  return kept;
}

export interface Line {
  id: string;
  name: string;
  /** Where it stands on each axis; null where the run has no value. */
  at: (number | null)[];
  /** How high it ends: from 0 to 1. */
  share: number;
}

export function linesOf(found: Schemas['RunsFound'] | undefined, plans: readonly AxisPlan[], { from, to }: Layout): Line[] {
  return (found?.runs ?? []).map((run, index) => {
    const at = plans.map((plan) => plan.place(found?.columns[plan.name]?.[index] ?? null));
    const end = at.at(-1) ?? null;
    return { id: run.id, name: run.name, at, share: end === null || from === to ? 0 : (end - from) / (to - from) };
  });
}

/** The line that passes a place, across the axes and along them. */
export function nearestLine(lines: readonly Line[], across: number, along: number, axis: (index: number) => number): Line | null {
  let best: Line | null = null;
  let distance = NEAR;
  for (const line of lines) {
    for (let index = 0; index + 1 < line.at.length; index += 1) {
      const [from, to] = [axis(index), axis(index + 1)];
      const [a, b] = [line.at[index], line.at[index + 1]];
      if (across < from || across > to || a === null || b === null || a === undefined || b === undefined) continue;
      const away = Math.abs(a + ((b - a) * (across - from)) / (to - from) - along);
      if (away < distance) [distance, best] = [away, line];
    }
  }
  return best;
}

export function short(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
