/** How far a run is, where it says how far it goes: a param that names a total, and the metric or step that counts up to it. */
import type { Schemas } from '@/api/client';

type Run = Pick<Schemas['Run'], 'params' | 'metrics' | 'start'>;

const EPOCHS = ['epochs', 'num_epochs', 'n_epochs', 'max_epochs', 'num_train_epochs'];
const STEPS = ['max_steps', 'total_steps', 'num_steps', 'n_steps', 'steps', 'iterations', 'num_iterations', 'max_iter', 'n_estimators', 'num_boost_round'];

export interface Progress {
  /** 0 to 1. */
  part: number;
  /** Seconds still to go at the pace so far; null before there is a pace. */
  left: number | null;
}

export function progressOf(run: Run, now: number): Progress | null {
  const epochs = total(run.params, EPOCHS);
  const epoch = run.metrics['epoch'];
  const steps = total(run.params, STEPS);
  const reached = Math.max(-1, ...Object.entries(run.metrics).flatMap(([key, metric]) => (key.startsWith('system/') ? [] : [metric.step])));
  const part = steps !== null && reached >= 0 ? (reached + 1) / steps : epochs !== null && epoch !== undefined ? Number(epoch.value) / epochs : NaN;
  if (!Number.isFinite(part) || part < 0 || part > 1.001) return null;
  const spent = (latest(run, now) - Date.parse(run.start)) / 1000;
  const since = (now - latest(run, now)) / 1000;
  const left = part > 0 && spent > 0 ? Math.max(0, (spent / part) * (1 - part) - since) : null;
  return { part: Math.min(1, part), left };
}

function total(params: Readonly<Record<string, string>>, names: readonly string[]): number | null {
  for (const [key, value] of Object.entries(params)) {
    const last = key.split(/[./]/).at(-1) ?? key;
    if (names.includes(last.toLowerCase()) && Number(value) > 0 && Number.isFinite(Number(value))) return Number(value);
  }
  return null;
}

/** When its newest point was measured: the pace is that of the points, not of the time since. */
function latest(run: Run, now: number): number {
  const times = Object.entries(run.metrics).flatMap(([key, metric]) => (key.startsWith('system/') ? [] : [Date.parse(metric.time)]));
  return times.length === 0 ? now : Math.min(now, Math.max(...times));
}

const TOLD = [/^(val|valid|validation|eval|test)[/_.-]?loss$/i, /loss/i, /auc|accuracy|acc$|f1|score|reward/i];

/** The metric that a line in a list shows: a loss, a score, else the first; one with a curve, if any has. Never one of the system. */
export function toldMetric(run: Pick<Schemas['Run'], 'metrics'>): string | null {
  const own = Object.entries(run.metrics).filter(([key]) => !key.startsWith('system/') && key !== 'epoch');
  const curved = own.filter(([, metric]) => metric.count > 1);
  const keys = (curved.length > 0 ? curved : own).map(([key]) => key).sort();
  for (const wanted of TOLD) {
    const found = keys.find((key) => wanted.test(key));
    if (found !== undefined) return found;
  }
  return keys[0] ?? null;
}
