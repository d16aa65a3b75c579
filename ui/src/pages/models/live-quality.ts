/** How a version does while it serves, from its newest predictions and what came of them. Pure. */
import type { Prediction } from '@/api/models';

export interface Quality {
  rows: number;
  /** Rows whose outcome is known. */
  known: number;
  /** Share of known rows where the outcome is what was predicted; null unless both are classes. */
  right: number | null;
  /** Mean distance of prediction and outcome; null unless both are figures. */
  error: number | null;
  /** Milliseconds that half and nearly all of the rows took at most. */
  median: number | null;
  slowest: number | null;
}

export function qualityOf(predictions: readonly Prediction[]): Quality {
  const known = predictions.filter((item) => item.outcome !== null && item.outcome !== undefined);
  const pairs = known.map(({ prediction, outcome }) => [prediction, outcome] as const);
  const figures = pairs.flatMap(([a, b]) => (typeof a === 'number' && typeof b === 'number' ? [[a, b] as const] : []));
  const classes = pairs.length > 0 && pairs.every(([a, b]) => isClass(a) && isClass(b));
  const times = predictions.map((item) => item.latency_ms).sort((a, b) => a - b);
  return {
    rows: predictions.length,
    known: known.length,
    right: classes ? pairs.filter(([a, b]) => Number(a) === Number(b) || String(a) === String(b)).length / pairs.length : null,
    error: !classes && figures.length > 0 ? figures.reduce((sum, [a, b]) => sum + Math.abs(a - b), 0) / figures.length : null,
    median: at(times, 0.5),
    slowest: at(times, 0.95),
  };
}

/** A text, a truth value or a whole number. */
function isClass(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isInteger(value));
}

function at(sorted: readonly number[], part: number): number | null {
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? null;
}
