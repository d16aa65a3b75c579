/** Runs side by side: a row a fact, and which of them differ. */
import type { Schemas } from '@/api/client';
import { duration, number } from '@/shared/ui/format';
import type { Figure } from './search';

type Run = Schemas['Run'];

export interface FactRow {
  section: string;
  key: string;
  values: (string | null)[];
  /** Numbers behind the texts, where the fact is one. */
  numbers: (number | null)[] | null;
  differs: boolean;
}

/** Values of metrics at a step, by run and key: what "at best of" reads. */
export type AtStep = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** What was captured of runs, by run: facts of their environments. */
export type Environments = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Tags about the code, as people call them. */
const CODE: Readonly<Record<string, string>> = {
  'mlflow.source.name': 'source',
  'mlflow.source.type': 'source type',
  'mlflow.source.git.commit': 'commit',
  'mlflow.source.git.branch': 'branch',
  'mlflow.source.git.repoURL': 'repository',
  'headrace.git.dirty': 'changed since the commit',
  'headrace.git.root': 'working copy',
};
const HIDDEN = new Set(['mlflow.runName', 'mlflow.user', 'mlflow.note.content', 'mlflow.parentRunId']);

export function factsOf(runs: readonly Run[], figure: Figure, at: AtStep | null, environments: Environments = new Map()): FactRow[] {
  const rows: FactRow[] = [];
  const add = (section: string, key: string, values: (string | null)[], numbers: (number | null)[] | null = null, compared = values) => {
    if (values.some((value) => value !== null)) rows.push({ section, key, values, numbers, differs: new Set(compared).size > 1 });
  };
  const union = (pick: (run: Run) => Record<string, unknown>) => [...new Set(runs.flatMap((run) => Object.keys(pick(run))))].sort();
  add('Run', 'status', runs.map((run) => run.status));
  add('Run', 'duration', runs.map((run) => (run.end === null ? null : duration((Date.parse(run.end) - Date.parse(run.start)) / 1000))));
  add('Run', 'user', runs.map((run) => run.user));
  for (const key of union((run) => run.metrics)) {
    const numbers = runs.map((run) => figureOf(run, key, figure, at));
    add('Metrics', key, numbers.map((value) => (value === null ? null : number(value, 5))), numbers);
  }
  for (const key of union((run) => run.params)) add('Params', key, runs.map((run) => run.params[key] ?? null));
  for (const key of union((run) => Object.fromEntries(run.inputs.map((input) => [nameOf(input), '']))))
    add('Data', key, runs.map((run) => run.inputs.find((input) => nameOf(input) === key)?.digest ?? null));
  for (const key of union((run) => run.tags).filter((tag) => !HIDDEN.has(tag))) {
    const code = key.startsWith('mlflow.source') || key.startsWith('headrace.git');
    add(code ? 'Code' : 'Tags', CODE[key] ?? key, runs.map((run) => run.tags[key] ?? null));
  }
  const captured = runs.flatMap((run) => environments.get(run.id) ?? []).filter((facts) => facts.size > 0);
  for (const key of new Set(captured.flatMap((facts) => [...facts.keys()]))) {
    const of = (facts: ReadonlyMap<string, string> | undefined) => facts?.get(key) ?? null;
    add('Environment', key, runs.map((run) => of(environments.get(run.id))), null, captured.map(of)); // what wasn't captured differs from nothing
  }
  const order = ['Metrics', 'Params', 'Data', 'Code', 'Environment', 'Tags', 'Run'];
  return rows.sort((a, b) => order.indexOf(a.section) - order.indexOf(b.section));
}

function nameOf(input: Run['inputs'][number]): string {
  return input.context === '' ? input.name : `${input.name} (${input.context})`;
}

function figureOf(run: Run, key: string, figure: Figure, at: AtStep | null): number | null {
  const metric = run.metrics[key];
  if (metric === undefined) return null;
  if (figure === 'best') return at?.get(run.id)?.get(key) ?? null;
  return Number(figure === 'low' ? metric.low : figure === 'high' ? metric.high : metric.value);
}

/** The place of the best number, if it is better than another; -1 for none. */
export function best(numbers: readonly (number | null)[], less: boolean): number {
  let found = -1;
  const seen = new Set<number>();
  for (const [place, value] of numbers.entries()) {
    if (value === null || Number.isNaN(value)) continue;
    seen.add(value);
    const held = numbers[found] ?? null;
    if (held === null || (less ? value < held : value > held)) found = place;
  }
  return seen.size > 1 ? found : -1;
}

/** The next row that differs, from a place on, around the end. */
export function nextDifference(rows: readonly FactRow[], from: number, step: 1 | -1): number {
  for (let count = 1; count <= rows.length; count += 1) {
    const place = (((from + step * count) % rows.length) + rows.length) % rows.length;
    if (rows[place]?.differs === true) return place;
  }
  return -1;
}
