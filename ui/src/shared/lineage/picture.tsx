/** The map: what was asked for in the middle, what it was made from at the left or above, what was made from it at the right or below. */
import '@xyflow/react/dist/base.css';
import dagre from '@dagrejs/dagre';
import { Background, Controls, Handle, Position, ReactFlow, type Edge, type Node, type NodeProps } from '@xyflow/react';
import { memo, useCallback, useMemo, useState, type KeyboardEvent } from 'react';
import type { Schemas } from '@/api/client';
import { useSize } from '@/shared/chart/size';
import { useTheme } from '@/shared/chart/theme';
import { plural } from '@/shared/ui/format';
import { Icon } from '@/shared/ui/icon';
import { Beyond } from './beyond';
import { collapse, type More } from './collapse';
import { kindName, KINDS } from './names';
import { fitting, placed, READABLE, type Box, type Place } from './place';

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

interface PictureProps {
  graph: Graph;
  detail: string;
  isPart: boolean;
  onExpand: Card['onExpand'];
  onFocus: (urn: string) => void;
}

export function Picture(props: PictureProps) {
  const [place, width, height] = useSize<HTMLDivElement>();
  return (
    <div className="lineage-map" ref={place}>
      {width > 0 && height > 0 && <Drawn {...props} width={width} height={height} />}
    </div>
  );
}

/** From left to right; down where that is narrow, or where it could be seen whole only too small to be read. */
function Drawn({ graph, detail, isPart, onExpand, onFocus, width, height }: PictureProps & Place) {
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const theme = useTheme();
  const shown = useMemo(() => collapse(graph, opened), [graph, opened]);
  const open = useCallback((id: string) => setOpened((now) => new Set([...now, id])), []);
  const across = useMemo(() => layOut(shown, false, onExpand, open), [shown, onExpand, open]);
  const isCramped = width < NARROW || fitting(across.all, { width, height }) < READABLE;
  const down = useMemo(() => (isCramped ? layOut(shown, true, onExpand, open) : null), [shown, isCramped, onExpand, open]);
  const isDown = down !== null && (width < NARROW || fitting(down.all, { width, height }) > fitting(across.all, { width, height }));
  const laid = isDown ? down : across;
  const press = (event: KeyboardEvent) => {
    const node = event.target;
    if (event.key === 'Enter' && node instanceof HTMLElement && node.classList.contains('react-flow__node-card')) onFocus(node.dataset['id'] ?? '');
  };
  return (
    <ReactFlow
      key={`${graph.root} ${detail} ${isDown} ${width < NARROW}`}
      nodes={laid.nodes}
      edges={laid.edges}
      nodeTypes={TYPES}
      colorMode={theme}
      defaultViewport={placed(laid.all, laid.root, { width, height })}
      fitViewOptions={{ maxZoom: 1, padding: 0.1 }}
      minZoom={0.1}
      nodesDraggable={false}
      nodesConnectable={false}
      edgesFocusable={false}
      panOnScroll={!isPart}
      zoomOnScroll={!isPart}
      preventScrolling={!isPart}
      proOptions={{ hideAttribution: true }}
      onKeyDown={press}
      onNodeClick={(_, node) => (node.type === 'card' ? onFocus(node.id) : undefined)}
      onlyRenderVisibleElements={graph.nodes.length > 200}
    >
      <Background gap={22} size={1} color="var(--line)" />
      <Controls showInteractive={false} />
      <Beyond boxes={laid.boxes} width={width} height={height} />
    </ReactFlow>
  );
}

const CardNode = memo(function CardNode({ data }: NodeProps<Node<Card>>) {
  const [icon] = KINDS[data.kind] ?? ['file'];
  return (
    <div className="lineage-card" data-kind={data.kind} data-root={data.root || undefined} title={data.urn}>
      <Handle type="target" position={data.down ? Position.Top : Position.Left} isConnectable={false} />
      <Icon name={icon} size={15} />
      <div className="grow">
        <div className="cut lineage-label">{data.label}</div>
        <div className="cut quiet">{kindName(data)}</div>
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

interface Laid {
  nodes: Node<Card | Rest>[];
  edges: Edge[];
  all: Box;
  root: Box;
  boxes: Box[];
}

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
    boxes: graph.nodes.map(({ urn }) => boxOf(urn)),
    nodes: graph.nodes.map((node) => {
      const { x, y } = boxOf(node.urn);
      const rest = rests.get(node.urn);
      if (rest !== undefined) {
        const [, one = rest.kind, many] = KINDS[rest.kind] ?? [];
        return { id: rest.id, type: 'more', position: { x, y }, data: { text: plural(rest.count, `more ${one.toLowerCase()}`, `more ${(many ?? one).toLowerCase()}`), down, onOpen: () => onOpen(rest.id) }, focusable: false };
      }
      const data = { ...node, root: node.urn === graph.root, down, onExpand };
      return { id: node.urn, type: 'card', position: { x, y }, data, ariaLabel: `${kindName(node)} ${node.label}` };
    }),
    edges: graph.edges.map((edge) => ({ id: `${edge.source} ${edge.target}`, source: edge.source, target: edge.target, label: edge.kind === 'contains' ? '' : edge.kind })),
  };
}
