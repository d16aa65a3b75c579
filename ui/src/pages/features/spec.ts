/** What definitions say, read out of their specs. */
import type { Definition } from '@/api/queries';

export interface FeatureSpec {
  name: string;
  type?: string;
  function?: string;
  argument?: string | null;
  window?: string | number | null;
  where?: string | null;
  expression?: string | null;
  description?: string;
}

export interface GroupSpec {
  entity?: string;
  source?: string;
  owner?: string;
  features?: FeatureSpec[];
}

interface Chosen {
  group?: string;
  names?: string[];
  prefix?: string;
  keys?: Record<string, string>;
  on_demand?: { name: string; inputs?: string[] };
}

function chosenOf(view: Definition): Chosen[] {
  return Array.isArray(view.spec['features']) ? (view.spec['features'] as Chosen[]) : [];
}

export function groupsOf(view: Definition): string[] {
  return chosenOf(view).flatMap((item) => (item.group === undefined ? [] : [item.group]));
}

/** The entities that a definition's rows are of: a group's own, those of a view's groups. */
export function entitiesOf(definition: Definition, groups: ReadonlyMap<string, GroupSpec>): string[] {
  const found = definition.kind === 'group' ? [textOf(definition, 'entity')] : groupsOf(definition).map((name) => groups.get(name)?.entity ?? '');
  return [...new Set(found)].filter((name) => name !== '');
}

export function tagsOf(definition: Definition): [string, string][] {
  return Object.entries((definition.spec['tags'] ?? {}) as Record<string, string>);
}

/** The columns of a source, each with its type. */
export function columnsOf(source: Definition): [string, string][] {
  return Array.isArray(source.spec['schema']) ? (source.spec['schema'] as [string, string][]) : [];
}

/** The names of the features that a group makes, or that a view has. */
export function featuresOf(definition: Definition, groups: ReadonlyMap<string, GroupSpec>): string[] {
  if (definition.kind === 'group') return ((definition.spec as unknown as GroupSpec).features ?? []).map((feature) => feature.name);
  return chosenOf(definition).flatMap((item) => {
    if (item.group === undefined) return item.on_demand === undefined ? [] : [item.on_demand.name];
    const all = (groups.get(item.group)?.features ?? []).map((feature) => feature.name);
    const own = item.names === undefined || item.names.length === 0 ? all : item.names;
    return own.map((name) => `${item.prefix ?? ''}${name}`);
  });
}

/** How a feature is computed, in a line. */
export function formula(feature: FeatureSpec): string {
  if (feature.function === undefined) return feature.expression ?? '';
  const window = feature.window === null || feature.window === undefined ? 'all time' : String(feature.window);
  const where = feature.where === null || feature.where === undefined ? '' : ` where ${feature.where}`;
  return `${feature.function}(${feature.argument ?? '*'}) over ${window}${where}`;
}

/** What a look-up of a view takes: each join key under the name that the view gives it, with its type. */
export function keysOf(view: Definition, groups: ReadonlyMap<string, GroupSpec>, entities: readonly Definition[]): [string, string][] {
  const found = new Map<string, string>();
  for (const item of chosenOf(view)) {
    const entity = item.group === undefined ? undefined : entities.find((one) => one.name === groups.get(item.group ?? '')?.entity);
    for (const [key, type] of (entity?.spec['keys'] as [string, string][] | undefined) ?? []) found.set(item.keys?.[key] ?? key, type);
  }
  return [...found];
}

/** What on-demand features of a view take from the request beside its keys. */
export function inputsOf(view: Definition, groups: ReadonlyMap<string, GroupSpec>, keys: readonly (readonly [string, string])[]): string[] {
  const known = new Set([...featuresOf(view, groups), ...keys.map(([key]) => key)]);
  const inputs = chosenOf(view).flatMap((item) => item.on_demand?.inputs ?? []);
  return [...new Set(inputs.filter((name) => !known.has(name)))];
}

/** A number as it was typed: large integers keep every digit on the way, where the browser can. */
function exact(text: string): unknown {
  const raw = (JSON as { rawJSON?: (text: string) => unknown }).rawJSON;
  return raw === undefined ? Number(text) : raw(text);
}

/**
 * What was typed for a key, or for an input without a type, as the server takes it.
 *
 * @throws Error with what doesn't fit.
 */
export function typed(name: string, type: string, text: string): unknown {
  const given = text.trim();
  if (type.startsWith('int')) {
    if (!/^-?(0|[1-9]\d*)$/.test(given)) throw new Error(`${name} is a whole number, not “${given}”.`);
    return exact(given);
  }
  if (type.startsWith('float')) {
    if (given === '' || !Number.isFinite(Number(given))) throw new Error(`${name} is a number, not “${given}”.`);
    return Number(given);
  }
  if (type === 'bool') {
    if (given !== 'true' && given !== 'false') throw new Error(`${name} is true or false, not “${given}”.`);
    return given === 'true';
  }
  if (type === '') return given !== '' && Number.isFinite(Number(given)) ? Number(given) : text;
  return text;
}

/** A member of a definition that is a text; empty if it has none. */
export function textOf(definition: Definition, member: string): string {
  const found = definition.spec[member];
  return typeof found === 'string' ? found : '';
}

/** The groups that a view reads, each with what makes it this one: its prefix and its keys. */
export function usesOf(view: Definition): { id: string; group: string; how: string }[] {
  return chosenOf(view).flatMap((item) => {
    if (item.group === undefined) return [];
    const keys = Object.entries(item.keys ?? {}).map(([key, as]) => `${key} is ${as}`);
    const how = [...(item.prefix === undefined || item.prefix === '' ? [] : [`as ${item.prefix}…`]), ...keys].join(', ');
    return [{ id: `${item.group} ${how}`, group: item.group, how }];
  });
}
