import { expect, it } from 'vitest';
import { collapse } from './collapse';

const node = (urn: string) => ({ urn, kind: urn.split(':')[0] ?? '', label: urn });
const edge = (source: string, target: string) => ({ source, target, kind: 'uses', time: null });
const runs = Array.from({ length: 9 }, (_, index) => `run:${index}`);

/** A training set with nine runs, each with a model of its own; the last one is in the registry twice. */
const graph = {
  root: 'training_set:t:1',
  nodes: ['source:s', 'training_set:t:1', ...runs, ...runs.map((run) => `logged_model:${run}`), 'model:/m/1'].map(node),
  edges: [edge('source:s', 'training_set:t:1'), ...runs.flatMap((run) => [edge('training_set:t:1', run), edge(run, `logged_model:${run}`)]), edge('logged_model:run:0', 'model:/m/1')],
};

it('shows a few of many siblings, and how many more there are', () => {
  const { graph: shown, more } = collapse(graph, new Set());
  expect(more.map(({ kind, count }) => [kind, count])).toEqual([['run', 5]]);
  expect(shown.nodes.map(({ urn }) => urn)).toEqual(['source:s', 'training_set:t:1', ...runs.slice(0, 4), ...runs.slice(0, 4).map((run) => `logged_model:${run}`), 'model:/m/1', more[0]?.id]);
  expect(shown.edges.filter(({ target }) => target === more[0]?.id).map(({ source }) => source)).toEqual(['training_set:t:1']);
});

it('shows all once they were asked for, and what isn’t many', () => {
  const [first] = collapse(graph, new Set()).more;
  expect(collapse(graph, new Set([first?.id ?? ''])).graph).toBe(graph);
  const few = { ...graph, nodes: graph.nodes.filter(({ urn }) => !/[678]$/.test(urn)), edges: graph.edges.filter(({ source, target }) => !/[678]$/.test(source + target)) };
  expect(collapse(few, new Set()).more).toEqual([]);
});

it('collapses what the root was made from at its other side', () => {
  const many = { root: 'view:v:1', nodes: ['view:v:1', ...runs.map((run) => `group:${run}`)].map(node), edges: runs.map((run) => edge(`group:${run}`, 'view:v:1')) };
  const { graph: shown, more } = collapse(many, new Set());
  expect(more.map(({ kind, count }) => [kind, count])).toEqual([['group', 5]]);
  expect(shown.edges.find(({ source }) => source === more[0]?.id)?.target).toBe('view:v:1');
});
