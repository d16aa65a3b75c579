/** What the lineage's names say. */
import type { Definition } from '@/api/queries';
import type { IconName } from '../ui/icon';

export const KINDS: Record<string, [icon: IconName, one: string, many: string]> = {
  source: ['table', 'Source', 'Sources'],
  feature: ['columns', 'Feature', 'Features'],
  group: ['layers', 'Feature group', 'Feature groups'],
  view: ['eye', 'Feature view', 'Feature views'],
  training_set: ['file', 'Training set', 'Training sets'],
  run: ['flask', 'Run', 'Runs'],
  logged_model: ['file', 'Logged model', 'Logged models'],
  model: ['box', 'Model version', 'Model versions'],
  alias: ['tag', 'Alias', 'Aliases'],
  prediction: ['bolt', 'Prediction', 'Predictions'],
};

/** What a thing is, in a word or two; a column of a source is none itself. */
export function kindName({ urn, kind }: { urn: string; kind: string }): string {
  return kind === 'source' && wholeOf(urn) !== null ? 'Column' : (KINDS[kind]?.[1] ?? kind);
}

/** The name of a definition in the lineage. */
export function urnOf(definition: Pick<Definition, 'kind' | 'name' | 'id' | 'basis'>): string {
  if (definition.kind === 'source') return `source:${definition.name}`;
  return `${definition.kind}:${definition.kind === 'group' ? definition.basis : definition.id}`;
}

/** The source of a column, the group of a feature; null for what is no part. */
export function wholeOf(urn: string): string | null {
  const feature = /^feature:(.+?:\d+)\./.exec(urn);
  if (feature !== null) return `group:${feature[1] ?? ''}`;
  const column = /^(source:[^.]+)\./.exec(urn);
  return column?.[1] ?? null;
}

/** The name of a column or a feature within its source or group. */
export function partOf(urn: string): string {
  return urn.slice((wholeOf(urn)?.replace(/^group:/, 'feature:').length ?? -1) + 1);
}
