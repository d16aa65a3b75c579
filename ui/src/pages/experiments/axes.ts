/** Axes over runs: which there are, numbers out of params, scales and their ticks. */
import type { Schemas } from '@/api/client';
import type { Value } from './rows';

export function axesOf(keys: Schemas['RunKeys'] | undefined): string[] {
  const metrics = Object.keys(keys?.metrics ?? {}).map((key) => `metrics.${key}`);
  const params = Object.keys(keys?.params ?? {}).map((key) => `params.${key}`);
  return [...metrics, ...params];
}

/** Params that at least half as many runs have as the commonest, commonest first: what axes begin with. */
export function commonParams(keys: Schemas['RunKeys'] | undefined): string[] {
  const counts = Object.entries(keys?.params ?? {}).sort(([a, more], [b, less]) => less - more || a.localeCompare(b));
  const most = counts[0]?.[1] ?? 0;
  return counts.filter(([, count]) => count * 2 >= most).map(([key]) => `params.${key}`);
}

/** A finite number, also if it is a text that says one. */
export function numeric(value: Value | undefined): number | null {
  if (value === null || value === undefined || value === '') return null;
  const found = Number(value);
  return Number.isFinite(found) ? found : null;
}

export interface Scale {
  low: number;
  high: number;
  log: boolean;
  at: (value: number) => number;
}

/** A scale from values to pixels; logarithmic where positive values span a hundredfold or more. */
export function fit(values: readonly number[], from: number, to: number): Scale {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) [low, high] = [0, 1];
  const log = low > 0 && high / low >= 100;
  if (low === high) [low, high] = [low - (Math.abs(low) || 1) * 0.5, high + (Math.abs(high) || 1) * 0.5];
  else if (log) [low, high] = [low / (high / low) ** 0.04, high * (high / low) ** 0.04];
  else [low, high] = [low - (high - low) * 0.04, high + (high - low) * 0.04];
  const place = log ? (value: number) => Math.log(value / low) / Math.log(high / low) : (value: number) => (value - low) / (high - low);
  return { low, high, log, at: (value) => from + place(value) * (to - from) };
}

/** Round positions within a scale. */
export function ticks({ low, high, log }: Scale, count: number): number[] {
  if (log) {
    const found: number[] = [];
    for (let power = Math.ceil(Math.log10(low)); power <= Math.log10(high); power += 1) found.push(10 ** power);
    if (found.length > 1) return found;
  }
  const rough = (high - low) / count;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * size >= rough) ?? 10) * size;
  const found: number[] = [];
  for (let at = Math.ceil(low / step); at * step <= high; at += 1) found.push(Number((at * step).toPrecision(12)));
  return found;
}
