/** The figure that says most of a version: that of its first gate, else of its first evaluation or metric. */
import type { Model, Version } from '@/api/models';
import { lessIsBetter } from '@/shared/merit';

export interface KeyMetric {
  key: string;
  value: number;
  /** Whether less of it is better; null if nobody said what is. */
  less: boolean | null;
}

export function figuresOf(version: Version): Record<string, number> {
  const measured = version.evaluations.at(-1)?.figures ?? {};
  const all = Object.entries({ ...measured, ...version.metrics, ...measured }).map(([key, value]): [string, number] => [key, Number(value)]);
  return Object.fromEntries(all.filter(([key, value]) => Number.isFinite(value) && !isSystem(key)));
}

/** What the machine was at while it was trained says nothing of a model. */
export function isSystem(key: string): boolean {
  return key.startsWith('system/');
}

/** The rule of a gate without the name of its metric, which stands before it. */
export function ruleOf({ metric, rule }: { metric: string; rule: string }): string {
  return rule.startsWith(`${metric} `) ? rule.slice(metric.length + 1) : rule;
}

export function keyMetric(model: Model, version: Version): KeyMetric | null {
  const figures = figuresOf(version);
  const wanted = [...model.gates.map((gate) => gate.metric), ...Object.keys(version.evaluations.at(-1)?.figures ?? {}), ...Object.keys(figures).sort()];
  const key = wanted.find((name) => figures[name] !== undefined);
  const value = key === undefined ? undefined : figures[key];
  return key === undefined || value === undefined ? null : { key, value, less: isLess(model, version, key) };
}

/** A gate says which way is better, an evaluation's metric by its name; one that a run logged may be anything. */
function isLess(model: Model, version: Version, key: string): boolean | null {
  const gate = model.gates.find(({ metric }) => metric === key);
  if (gate !== undefined && /\b(lower|higher)\b/.test(gate.rule)) return /\blower\b/.test(gate.rule);
  return gate !== undefined || version.evaluations.at(-1)?.figures[key] !== undefined ? lessIsBetter(key) || /brier/i.test(key) : null;
}
