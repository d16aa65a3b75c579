/** The lineage as a map: what was asked for in the middle, what it was made from at the left, what was made from it at the right. */
import '@xyflow/react/dist/base.css';
import './lineage.css';
import dagre from '@dagrejs/dagre';
import { useQueryClient, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Background, Controls, Handle, Position, ReactFlow, type Edge, type Node, type NodeProps } from '@xyflow/react';
import { memo, useMemo, useState } from 'react';
import type { Schemas } from '@/api/client';
import { impactQuery, lineageQuery } from '@/api/queries';
import { useSize } from '@/shared/chart/size';
import { useTheme } from '@/shared/chart/theme';
import { Button, Segmented } from '@/shared/ui/controls';
import { Failure, Skeleton } from '@/shared/ui/feedback';
import { plural } from '@/shared/ui/format';
import { Icon } from '@/shared/ui/icon';
import { Ago } from '@/shared/ui/marks';
import { toast } from '@/shared/ui/toasts';
import { collapse, type More } from './collapse';
import { KINDS, wholeOf } from './names';
import { placed, type Box } from './place';

type Graph = Schemas['LineageGraph'];

const WIDTH = 196;
const HEIGHT = 50;
const REST_HEIGHT = 32;
/** In so few pixels there is no room for cards side by side: the map goes down instead. */
const NARROW = 620;

interface Card extends Record<string, unknown> {
  urn: string;
  kind: string;
  label: string;
  root: boolean;
  down: boolean;
  onExpand: ((urn: string) => void) | null;
}

/** With `impact`, only what takes the values of the thing is shown, and of a part of it only what takes those of the part. */
export function LineageMap({ urn, impact = false, onFocus, onImpact }: { urn: string; impact?: boolean; onFocus?: (urn: string) => void; onImpact?: (impact: boolean) => void }) {
  const around = useQuery({ ...lineageQuery(urn, 7, 4), enabled: !impact });
  const touched = useQuery({ ...impactQuery(urn), enabled: impact, select: withRoot });
  const query = impact ? touched : around;
  const client = useQueryClient();
  const navigate = useNavigate();
  const [more, setMore] = useState<{ of: string; graphs: Graph[] }>({ of: urn, graphs: [] });
  const [columns, setColumns] = useState(false);
  const [as, setAs] = useState<'map' | 'table'>('map');
  const graph = useMemo(() => (query.data === undefined ? null : merge([query.data, ...(more.of === urn && !impact ? more.graphs : [])], columns)), [query.data, more, urn, columns, impact]);
  const onExpand = useMemo(
    () =>
      impact
        ? null
        : (of: string) =>
            void client
              .query(lineageQuery(of, 2, 2))
              .then((found) => setMore((now) => ({ of: urn, graphs: [...(now.of === urn ? now.graphs : []), found] })))
              .catch((error: unknown) => toast(error instanceof Error ? error.message : String(error), { bad: true })),
    [client, urn, impact],
  );
  if (query.isError) return <Failure error={query.error} retry={() => void query.refetch()} />;
  if (graph === null) return <Skeleton lines={6} />;
  const focus = (of: string) => (onFocus === undefined ? void navigate({ to: '/lineage/$', params: { _splat: of } }) : onFocus(of));
  return (
    <div className="lineage">
      <div className="lineage-head">
        <span className="quiet grow">
          {plural(graph.nodes.length, 'node')}, {plural(graph.edges.length, 'edge')}
        </span>
        {onImpact !== undefined && (
          <Button icon="bolt" aria-pressed={impact} className="lineage-impact" onClick={() => onImpact(!impact)}>
            What would change
          </Button>
        )}
        <Segmented
          label="Detail"
          value={columns ? 'columns' : 'whole'}
          choices={[
            { value: 'whole', label: 'Nodes' },
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
        <Picture graph={graph} detail={`${columns} ${impact}`} onExpand={onExpand} onFocus={focus} />
      ) : (
        <LineageTable graph={graph} onFocus={focus} />
      )}
    </div>
  );
}

function Picture({ graph, detail, onExpand, onFocus }: { graph: Graph; detail: string; onExpand: Card['onExpand']; onFocus: (urn: string) => void }) {
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const [place, width, height] = useSize<HTMLDivElement>();
  const down = width < NARROW;
  const theme = useTheme();
  const laid = useMemo(() => layOut(collapse(graph, opened), down, onExpand, (id) => setOpened((now) => new Set([...now, id]))), [graph, opened, down, onExpand]);
  const view = placed(laid.all, laid.root, { width, height });
  return (
    <div className="lineage-map" ref={place}>
      {width > 0 && height > 0 && (
        <ReactFlow
          key={`${graph.root} ${detail} ${down}`}
          nodes={laid.nodes}
          edges={laid.edges}
          nodeTypes={TYPES}
          colorMode={theme}
          defaultViewport={view}
          fitViewOptions={{ maxZoom: 1, padding: 0.1 }}
          minZoom={0.1}
          nodesDraggable={false}
          nodesConnectable={false}
          proOptions={{ hideAttribution: true }}
          onNodeClick={(_, node) => (node.type === 'card' ? onFocus(node.id) : undefined)}
          onlyRenderVisibleElements={graph.nodes.length > 200}
        >
          <Background gap={22} size={1} color="var(--line)" />
          <Controls showInteractive={false} />
        </ReactFlow>
      )}
    </div>
  );
}

const CardNode = memo(function CardNode({ data }: NodeProps<Node<Card>>) {
  const [icon, kind] = KINDS[data.kind] ?? ['file', data.kind];
  return (
    <div className="lineage-card" data-kind={data.kind} data-root={data.root || undefined} title={data.urn}>
      <Handle type="target" position={data.down ? Position.Top : Position.Left} isConnectable={false} />
      <Icon name={icon} size={15} />
      <div className="grow">
        <div className="cut lineage-label">{data.label}</div>
        <div className="cut quiet">{kind}</div>
      </div>
      {!data.root && data.onExpand !== null && (
        <button
          type="button"
          className="lineage-more"
          aria-label={`Show what is around ${data.label}`}
          onClick={(event) => {
            event.stopPropagation();
            data.onExpand?.(data.urn);
          }}
        >
          <Icon name="plus" size={11} />
        </button>
      )}
      <Handle type="source" position={data.down ? Position.Bottom : Position.Right} isConnectable={false} />
    </div>
  );
});

interface Rest extends Record<string, unknown> {
  text: string;
  down: boolean;
  onOpen: () => void;
}

/** Siblings that aren't shown. */
const MoreNode = memo(function MoreNode({ data }: NodeProps<Node<Rest>>) {
  return (
    <button type="button" className="lineage-rest" onClick={data.onOpen}>
      <Handle type="target" position={data.down ? Position.Top : Position.Left} isConnectable={false} />
      {data.text}
      <Handle type="source" position={data.down ? Position.Bottom : Position.Right} isConnectable={false} />
    </button>
  );
});

const TYPES = { card: CardNode, more: MoreNode };

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

/** The impact of a thing as a graph with the thing in it. */
function withRoot({ root, nodes, edges }: Schemas['Impact']): Graph {
  const label = root.slice(root.indexOf(':') + 1);
  return { root, nodes: [{ urn: root, kind: root.startsWith('models:/') ? 'model' : root.slice(0, root.indexOf(':')), label }, ...nodes], edges };
}

/** One graph of several. Without columns, what only they connect stays connected. */
export function merge(graphs: readonly Graph[], columns: boolean): Graph {
  const nodes = new Map(graphs.flatMap((graph) => graph.nodes.map((node) => [node.urn, node] as const)));
  const edges = new Map(graphs.flatMap((graph) => graph.edges.map((edge) => [`${edge.source} ${edge.target}`, edge] as const)));
  const root = graphs[0]?.root ?? '';
  const keep = (urn: string) => columns || wholeOf(urn) === null || urn === root;
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

interface Laid {
  nodes: Node<Card | Rest>[];
  edges: Edge[];
  all: Box;
  root: Box;
}

/** From left to right, or down where it is narrow. */
function layOut({ graph, more }: { graph: Graph; more: readonly More[] }, down: boolean, onExpand: Card['onExpand'], onOpen: (id: string) => void): Laid {
  const rests = new Map(more.map((one) => [one.id, one]));
  const plan = new dagre.graphlib.Graph().setDefaultEdgeLabel(() => ({})).setGraph({ rankdir: down ? 'TB' : 'LR', nodesep: 14, ranksep: down ? 34 : 54 });
  for (const node of graph.nodes) plan.setNode(node.urn, { width: WIDTH, height: rests.has(node.urn) ? REST_HEIGHT : HEIGHT });
  for (const edge of graph.edges) plan.setEdge(edge.source, edge.target);
  dagre.layout(plan);
  const { width, height } = plan.graph() as { width: number; height: number };
  const boxOf = (urn: string): Box => {
    const own = rests.has(urn) ? REST_HEIGHT : HEIGHT;
    const { x, y } = (plan.node(urn) as { x: number; y: number } | undefined) ?? { x: 0, y: 0 };
    return { x: x - WIDTH / 2, y: y - own / 2, width: WIDTH, height: own };
  };
  return {
    all: { x: 0, y: 0, width: Math.max(1, width), height: Math.max(1, height) },
    root: boxOf(graph.root),
    nodes: graph.nodes.map((node) => {
      const { x, y } = boxOf(node.urn);
      const rest = rests.get(node.urn);
      if (rest !== undefined) {
        const [, one = rest.kind, many] = KINDS[rest.kind] ?? [];
        return { id: rest.id, type: 'more', position: { x, y }, data: { text: plural(rest.count, `more ${one.toLowerCase()}`, `more ${(many ?? one).toLowerCase()}`), down, onOpen: () => onOpen(rest.id) }, focusable: false };
      }
      const data = { ...node, root: node.urn === graph.root, down, onExpand };
      return { id: node.urn, type: 'card', position: { x, y }, data, ariaLabel: `${KINDS[node.kind]?.[1] ?? node.kind} ${node.label}` };
    }),
    edges: graph.edges.map((edge) => ({ id: `${edge.source} ${edge.target}`, source: edge.source, target: edge.target, label: edge.kind === 'contains' ? '' : edge.kind })),
  };
}
