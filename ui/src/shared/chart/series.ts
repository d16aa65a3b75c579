/** What a chart draws, and the arithmetic on it: smoothing, extents, the nearest point, groups with mean and band. */
import type { Points } from '@/api/curves';

export interface Line {
  id: string;
  label: string;
  colour: string;
  dash: readonly number[];
  x: Float64Array;
  y: Float64Array;
  low: Float64Array;
  high: Float64Array;
  /** What isn't a finite number there, as `Points` has it. */
  marks: Float64Array;
}

/** A line with what is drawn strongly of it: its values, smoothed if that was asked for. */
export interface Drawn extends Line {
  line: Float64Array;
}

export const MARKS = { nan: 1, infinite: 2, negative: 4 } as const;

/** An exponential mean without the bias of its start; NaN and infinities are passed over. Weight 0 is no smoothing. */
export function smooth(values: Float64Array, weight: number): Float64Array {
  if (weight <= 0) return values;
  const out = new Float64Array(values.length);
  let mean = 0;
  let debias = 0;
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at] ?? NaN;
    if (Number.isFinite(value)) {
      mean = mean * weight + value * (1 - weight);
      debias = debias * weight + (1 - weight);
      out[at] = mean / debias;
    } else {
      out[at] = value;
    }
  }
  return out;
}

export function drawn(lines: readonly Line[], smoothing: number): Drawn[] {
  return lines.map((line) => ({ ...line, line: smooth(line.y, smoothing) }));
}

export type Extent = [number, number];

/** The extent of finite values, of positive ones only for a logarithmic axis; null if there is none. */
export function extent(arrays: Iterable<Float64Array>, positive = false): Extent | null {
  let low = Infinity;
  let high = -Infinity;
  for (const array of arrays) {
    for (const value of array) {
      if (!Number.isFinite(value) || (positive && value <= 0)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high ? [low, high] : null;
}

/** The extent without what is far from all the rest: from the 2nd to the 98th of a hundred values, a little more. */
export function usual(arrays: readonly Float64Array[], positive = false): Extent | null {
  const count = arrays.reduce((sum, array) => sum + array.length, 0);
  const step = Math.max(1, Math.floor(count / 20_000));
  const some: number[] = [];
  let turn = 0;
  for (const array of arrays) {
    for (const value of array) {
      turn += 1;
      if (turn % step === 0 && Number.isFinite(value) && !(positive && value <= 0)) some.push(value);
    }
  }
  const whole = extent(arrays, positive);
  if (whole === null || some.length < 10) return whole;
  const sorted = Float64Array.from(some).sort();
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? NaN;
  const [low, high] = [at(0.02), at(0.98)];
  if (low === high) return whole;
  const around = positive ? 0 : (high - low) * 0.15;
  return [Math.max(whole[0], low - around), Math.min(whole[1], high + around)];
}

/** The index whose x is nearest, x rising; -1 for none. */
export function nearest(x: Float64Array, at: number): number {
  let low = 0;
  let high = x.length - 1;
  if (high < 0) return -1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((x[middle] ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  return low > 0 && at - (x[low - 1] ?? 0) < (x[low] ?? 0) - at ? low - 1 : low;
}

export type Band = 'std' | 'se' | 'range';

export interface Group {
  id: string;
  label: string;
  members: Points[];
}

/** The mean of a group of curves and a band around it, at the positions where any of them has a point; nothing is interpolated
 * beyond a curve's ends, between its points it holds the last value. */
export function summarise(members: readonly Points[], band: Band, buckets = 400): Omit<Line, 'id' | 'label' | 'colour' | 'dash'> {
  const span = extent(members.map((points) => points.x));
  if (span === null) return { x: new Float64Array(), y: new Float64Array(), low: new Float64Array(), high: new Float64Array(), marks: new Float64Array() };
  const width = (span[1] - span[0]) / buckets || 1;
  const places = new Set<number>();
  for (const { x } of members) for (const at of x) places.add(Math.min(buckets, Math.floor((at - span[0]) / width)));
  const order = [...places].sort((a, b) => a - b);
  const size = order.length;
  const out = { x: new Float64Array(size), y: new Float64Array(size), low: new Float64Array(size), high: new Float64Array(size), marks: new Float64Array(size) };
  const cursors = members.map(() => -1);
  order.forEach((place, index) => {
    const end = span[0] + (place + 1) * width;
    const values: number[] = [];
    let position = span[0] + place * width;
    members.forEach((points, member) => {
      let cursor = cursors[member] ?? -1;
      while (cursor + 1 < points.x.length && (points.x[cursor + 1] ?? 0) < end) cursor += 1;
      cursors[member] = cursor;
      if (cursor < 0 || (cursor === points.x.length - 1 && (points.x[cursor] ?? 0) < span[0] + place * width)) return;
      position = Math.max(position, Math.min(points.x[cursor] ?? position, end));
      const value = points.last[cursor] ?? NaN;
      if (Number.isFinite(value)) values.push(value);
      else out.marks[index] = (out.marks[index] ?? 0) | (Number.isNaN(value) ? MARKS.nan : value > 0 ? MARKS.infinite : MARKS.negative);
    });
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
    const spread = band === 'std' ? Math.sqrt(variance) : Math.sqrt(variance / Math.max(1, values.length));
    out.x[index] = position;
    out.y[index] = values.length === 0 ? NaN : mean;
    out.low[index] = band === 'range' ? Math.min(...values) : mean - spread;
    out.high[index] = band === 'range' ? Math.max(...values) : mean + spread;
  });
  return out;
}
