/** Many things of a kind that hang on the same are shown as a few and a card that says how many more there are. Pure. */
import type { Schemas } from '@/api/client';

type Graph = Schemas['LineageGraph'];

/** So many siblings are shown as they are; of more, so many. */
const MOST = 6;
const SHOWN = 4;

/** What stands for the siblings that aren't shown; its id names them for as long as the graph stays. */
export interface More {
  id: string;
  kind: string;
  count: number;
}

export function collapse(graph: Graph, opened: ReadonlySet<string>): { graph: Graph; more: More[] } {
  const [into, out] = [new Map<string, string[]>(), new Map<string, string[]>()];
  for (const { source, target } of graph.edges) {
    into.set(target, [...(into.get(target) ?? []), source]);
    out.set(source, [...(out.get(source) ?? []), target]);
  }
  const before = reached(graph.root, into);
  const groups = new Map<string, { kind: string; common: string[]; isBefore: boolean; urns: string[] }>();
  for (const { urn, kind } of graph.nodes) {
    const isBefore = before.has(urn);
    const common = ((isBefore ? out : into).get(urn) ?? []).toSorted();
    if (urn === graph.root || common.length === 0) continue;
    const id = `more ${kind} ${isBefore ? 'before' : 'after'} ${common.join(' ')}`;
    const group = groups.get(id) ?? { kind, common, isBefore, urns: [] };
    group.urns.push(urn);
    groups.set(id, group);
  }
  const hidden = new Set<string>();
  const more: More[] = [];
  const edges: Graph['edges'] = [];
  for (const [id, { kind, common, isBefore, urns }] of groups) {
    if (urns.length <= MOST || opened.has(id)) continue;
    for (const urn of urns.slice(SHOWN)) hidden.add(urn);
    more.push({ id, kind, count: urns.length - SHOWN });
    edges.push(...common.map((urn) => ({ source: isBefore ? id : urn, target: isBefore ? urn : id, kind: '', time: null })));
  }
  if (more.length === 0) return { graph, more };
  edges.push(...graph.edges.filter(({ source, target }) => !hidden.has(source) && !hidden.has(target)));
  const around = new Map<string, string[]>();
  for (const { source, target } of edges) {
    around.set(source, [...(around.get(source) ?? []), target]);
    around.set(target, [...(around.get(target) ?? []), source]);
  }
  const kept = reached(graph.root, around);
  const cards = more.filter(({ id }) => kept.has(id));
  const nodes = [...graph.nodes.filter(({ urn }) => kept.has(urn)), ...cards.map(({ id, count }) => ({ urn: id, kind: 'more', label: String(count) }))];
  return { graph: { root: graph.root, nodes, edges: edges.filter(({ source, target }) => kept.has(source) && kept.has(target)) }, more: cards };
}

function reached(from: string, next: ReadonlyMap<string, readonly string[]>): Set<string> {
  const seen = new Set([from]);
  for (const urn of seen) for (const other of next.get(urn) ?? []) seen.add(other);
  return seen;
}
