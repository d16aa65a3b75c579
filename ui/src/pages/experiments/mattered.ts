/** What mattered: how much of a metric's spread over runs goes with a param. */
import { numeric } from './axes';
import type { Value } from './rows';

export interface Share {
  param: string;
  /** 0 for nothing, 1 for all. */
  strength: number;
  /** Of numbers: whether more of the param goes with more of the metric; 0 for categories. */
  way: -1 | 0 | 1;
  runs: number;
  values: number;
}

/** Numbers are told by rank correlation, categories by the share of variance between them (less what chance alone gives). */
export function mattered(metric: readonly Value[], params: Readonly<Record<string, readonly Value[]>>): Share[] {
  const found = Object.entries(params).flatMap(([param, column]) => {
    const pairs = column.flatMap((value, index) => {
      const y = numeric(metric[index]);
      return value === null || y === null ? [] : [[value, y] as const];
    });
    const values = new Set(pairs.map(([value]) => value)).size;
    if (pairs.length < 4 || values < 2) return [];
    const xs = pairs.map(([value]) => numeric(value));
    const ys = pairs.map(([, y]) => y);
    const plain = xs.filter((x) => x !== null);
    const correlation = plain.length === xs.length && values > 2 ? spearman(plain, ys) : null;
    const between = values <= Math.max(2, pairs.length / 2) ? variance(pairs) : 0;
    const strength = Math.max(correlation === null ? 0 : correlation ** 2, between);
    const way = correlation === null ? 0 : (Math.sign(correlation) as -1 | 0 | 1);
    return [{ param, strength, way, runs: pairs.length, values }];
  });
  return found.sort((a, b) => b.strength - a.strength);
}

/** The share of variance between groups, less the share that as many groups would get by chance. */
function variance(pairs: readonly (readonly [Value, number])[]): number {
  const mean = pairs.reduce((sum, [, y]) => sum + y, 0) / pairs.length;
  const all = pairs.reduce((sum, [, y]) => sum + (y - mean) ** 2, 0);
  if (all === 0) return 0;
  const groups = new Map<Value, number[]>();
  for (const [value, y] of pairs) groups.set(value, [...(groups.get(value) ?? []), y]);
  let within = 0;
  for (const ys of groups.values()) {
    const own = ys.reduce((sum, y) => sum + y, 0) / ys.length;
    within += ys.reduce((sum, y) => sum + (y - own) ** 2, 0);
  }
  const free = pairs.length - groups.size;
  return free <= 0 ? 0 : Math.max(0, 1 - (within / free) / (all / (pairs.length - 1)));
}

export function spearman(xs: readonly number[], ys: readonly number[]): number {
  const [a, b] = [ranks(xs), ranks(ys)];
  const mean = (xs.length - 1) / 2;
  let [top, left, right] = [0, 0, 0];
  a.forEach((rank, index) => {
    const [x, y] = [rank - mean, (b[index] ?? 0) - mean];
    top += x * y;
    left += x * x;
    right += y * y;
  });
  return left === 0 || right === 0 ? 0 : top / Math.sqrt(left * right);
}

/** Ranks from 0; equal values share theirs. */
function ranks(values: readonly number[]): number[] {
  const order = values.map((value, index) => [value, index] as const).sort(([a], [b]) => a - b);
  const found = new Array<number>(values.length).fill(0);
  for (let at = 0; at < order.length; ) {
    let end = at;
    while (end + 1 < order.length && order[end + 1]?.[0] === order[at]?.[0]) end += 1;
    for (let place = at; place <= end; place += 1) found[order[place]?.[1] ?? 0] = (at + end) / 2;
    at = end + 1;
  }
  return found;
}
