/** The lineage as a map: what was asked for in the middle, what it was made from at the left, what was made from it at the right. */
import '@xyflow/react/dist/base.css';
import './lineage.css';
import dagre from '@dagrejs/dagre';
import { useQueryClient, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Background, Controls, Handle, Position, ReactFlow, type Edge, type Node, type NodeProps } from '@xyflow/react';
import { memo, useMemo, useState } from 'react';
import type { Schemas } from '@/api/client';
import { lineageQuery } from '@/api/queries';
import { useTheme } from '@/shared/chart/theme';
import { Segmented } from '@/shared/ui/controls';
import { Failure, Skeleton } from '@/shared/ui/feedback';
import { plural } from '@/shared/ui/format';
import { Icon, type IconName } from '@/shared/ui/icon';
import { Ago } from '@/shared/ui/marks';
import { toast } from '@/shared/ui/toasts';

type Graph = Schemas['LineageGraph'];

const KINDS: Record<string, [IconName, string]> = {
  source: ['table', 'Source'],
  feature: ['columns', 'Feature'],
  group: ['layers', 'Feature group'],
  view: ['eye', 'Feature view'],
  training_set: ['file', 'Training set'],
  run: ['flask', 'Run'],
  logged_model: ['file', 'Logged model'],
  model: ['box', 'Model version'],
  alias: ['tag', 'Alias'],
  prediction: ['bolt', 'Prediction'],
};
const WIDTH = 196;
const HEIGHT = 50;

interface Card extends Record<string, unknown> {
  urn: string;
  kind: string;
  label: string;
  root: boolean;
  hidden: number;
  onExpand: (urn: string) => void;
}

export function LineageMap({ urn, onFocus }: { urn: string; onFocus?: (urn: string) => void }) {
  const query = useQuery(lineageQuery(urn, 7, 4));
  const client = useQueryClient();
  const navigate = useNavigate();
  const [more, setMore] = useState<{ of: string; graphs: Graph[] }>({ of: urn, graphs: [] });
  const [columns, setColumns] = useState(false);
  const [as, setAs] = useState<'map' | 'table'>('map');
  const theme = useTheme();
  const graph = useMemo(() => (query.data === undefined ? null : merge([query.data, ...(more.of === urn ? more.graphs : [])], columns)), [query.data, more, urn, columns]);
  const laid = useMemo(() => {
    const onExpand = (of: string) =>
      void client
        .query(lineageQuery(of, 2, 2))
        .then((found) => setMore((now) => ({ of: urn, graphs: [...(now.of === urn ? now.graphs : []), found] })))
        .catch((error: unknown) => toast(error instanceof Error ? error.message : String(error), { bad: true }));
    return graph === null ? null : layOut(graph, onExpand);
  }, [graph, client, urn]);
  if (query.isError) return <Failure error={query.error} retry={() => void query.refetch()} />;
  if (graph === null || laid === null) return <Skeleton lines={6} />;
  const focus = (of: string) => (onFocus === undefined ? void navigate({ to: '/lineage/$', params: { _splat: of } }) : onFocus(of));
  return (
    <div className="lineage">
      <div className="lineage-head">
        <span className="quiet grow">
          {plural(graph.nodes.length, 'thing')}, {plural(graph.edges.length, 'line')}
        </span>
        <Segmented
          label="Detail"
          value={columns ? 'columns' : 'whole'}
          choices={[
            { value: 'whole', label: 'Whole things' },
            { value: 'columns', label: 'Columns and features' },
          ]}
          onChange={(value) => setColumns(value === 'columns')}
        />
        <Segmented
          label="As"
          value={as}
          choices={[
            { value: 'map', label: 'Map', icon: 'graph' },
            { value: 'table', label: 'Table', icon: 'table' },
          ]}
          onChange={setAs}
        />
      </div>
      {as === 'map' ? (
        <div className="lineage-map">
          <ReactFlow
            key={`${graph.root} ${columns}`}
            nodes={laid.nodes}
            edges={laid.edges}
            nodeTypes={TYPES}
            colorMode={theme}
            fitView
            fitViewOptions={{ maxZoom: 1, padding: 0.15 }}
            minZoom={0.1}
            nodesDraggable={false}
            nodesConnectable={false}
            proOptions={{ hideAttribution: true }}
            onNodeClick={(_, node) => focus(node.id)}
            onlyRenderVisibleElements={graph.nodes.length > 200}
          >
            <Background gap={22} size={1} color="var(--line)" />
            <Controls showInteractive={false} />
          </ReactFlow>
        </div>
      ) : (
        <LineageTable graph={graph} onFocus={focus} />
      )}
    </div>
  );
}

const CardNode = memo(function CardNode({ data }: NodeProps<Node<Card>>) {
  const [icon, kind] = KINDS[data.kind] ?? ['file', data.kind];
  return (
    <div className="lineage-card" data-kind={data.kind} data-root={data.root || undefined} title={data.urn}>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <Icon name={icon} size={15} />
      <div className="grow">
        <div className="cut lineage-label">{data.label}</div>
        <div className="cut quiet">{kind}</div>
      </div>
      {!data.root && (
        <button
          type="button"
          className="lineage-more"
          aria-label={`Show what is around ${data.label}`}
          onClick={(event) => {
            event.stopPropagation();
            data.onExpand(data.urn);
          }}
        >
          <Icon name="plus" size={11} />
        </button>
      )}
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </div>
  );
});

const TYPES = { card: CardNode };

function LineageTable({ graph, onFocus }: { graph: Graph; onFocus: (urn: string) => void }) {
  const of = new Map(graph.nodes.map((node) => [node.urn, node]));
  const Name = ({ urn }: { urn: string }) => (
    <button type="button" className="lineage-name" onClick={() => onFocus(urn)}>
      {of.get(urn)?.label ?? urn}
      <span className="quiet"> {KINDS[of.get(urn)?.kind ?? '']?.[1]}</span>
    </button>
  );
  return (
    <div className="table-scroll lineage-table">
      <table className="grid-table" aria-label="Lineage">
        <thead>
          <tr>
            <th>From</th>
            <th>How</th>
            <th>To</th>
            <th className="num">Since</th>
          </tr>
        </thead>
        <tbody>
          {graph.edges.map((edge) => (
            <tr key={`${edge.source} ${edge.target} ${edge.kind}`}>
              <td>
                <Name urn={edge.source} />
              </td>
              <td className="quiet">{edge.kind}</td>
              <td>
                <Name urn={edge.target} />
              </td>
              <td className="num">
                <Ago time={edge.time} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function isPart(urn: string): boolean {
  return urn.startsWith('feature:') || (urn.startsWith('source:') && urn.includes('.'));
}

/** One graph of several. Without columns, what only they connect stays connected. */
export function merge(graphs: readonly Graph[], columns: boolean): Graph {
  const nodes = new Map(graphs.flatMap((graph) => graph.nodes.map((node) => [node.urn, node] as const)));
  const edges = new Map(graphs.flatMap((graph) => graph.edges.map((edge) => [`${edge.source} ${edge.target}`, edge] as const)));
  const root = graphs[0]?.root ?? '';
  const keep = (urn: string) => columns || !isPart(urn) || urn === root;
  const found = new Map<string, Graph['edges'][number]>();
  const out = new Map<string, Graph['edges']>();
  for (const edge of edges.values()) out.set(edge.source, [...(out.get(edge.source) ?? []), edge]);
  for (const [source] of nodes) {
    if (!keep(source)) continue;
    const waiting = [...(out.get(source) ?? [])];
    const seen = new Set<string>();
    for (let edge = waiting.pop(); edge !== undefined; edge = waiting.pop()) {
      if (keep(edge.target)) found.set(`${source} ${edge.target}`, { ...edge, source });
      else if (!seen.has(edge.target)) waiting.push(...(out.get(edge.target) ?? []));
      seen.add(edge.target);
    }
  }
  return { root, nodes: [...nodes.values()].filter((node) => keep(node.urn)), edges: [...found.values()].filter((edge) => edge.source !== edge.target) };
}

function layOut(graph: Graph, onExpand: (urn: string) => void): { nodes: Node<Card>[]; edges: Edge[] } {
  const plan = new dagre.graphlib.Graph().setDefaultEdgeLabel(() => ({})).setGraph({ rankdir: 'LR', nodesep: 14, ranksep: 44 });
  for (const node of graph.nodes) plan.setNode(node.urn, { width: WIDTH, height: HEIGHT });
  for (const edge of graph.edges) plan.setEdge(edge.source, edge.target);
  dagre.layout(plan);
  return {
    nodes: graph.nodes.map((node) => {
      const { x, y } = plan.node(node.urn) as { x: number; y: number };
      return {
        id: node.urn,
        type: 'card',
        position: { x: x - WIDTH / 2, y: y - HEIGHT / 2 },
        data: { ...node, root: node.urn === graph.root, hidden: 0, onExpand },
        ariaLabel: `${KINDS[node.kind]?.[1] ?? node.kind} ${node.label}`,
      };
    }),
    edges: graph.edges.map((edge) => ({ id: `${edge.source} ${edge.target}`, source: edge.source, target: edge.target, label: edge.kind === 'contains' ? '' : edge.kind })),
  };
}
