/** The lineage of a thing, as a map or as a table. */
import './lineage.css';
import { useQueryClient, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import type { Schemas } from '@/api/client';
import { impactQuery, lineageQuery } from '@/api/queries';
import { Button, Segmented } from '@/shared/ui/controls';
import { Failure, Skeleton } from '@/shared/ui/feedback';
import { plural } from '@/shared/ui/format';
import { Ago } from '@/shared/ui/marks';
import { toast } from '@/shared/ui/toasts';
import { kindName, wholeOf } from './names';
import { Picture } from './picture';

type Graph = Schemas['LineageGraph'];

/**
 * With `impact`, only what takes the values of the thing is shown, and of a part of it only what takes those of the part.
 * On a page that is scrolled, of which it `isPart`, the wheel is the page's.
 */
export function LineageMap({ urn, impact = false, isPart = false, onImpact }: { urn: string; impact?: boolean; isPart?: boolean; onImpact?: (impact: boolean) => void }) {
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
  const focus = (of: string) => void navigate({ to: '/lineage/$', params: { _splat: of } });
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
        <Picture graph={graph} detail={`${columns} ${impact}`} isPart={isPart} onExpand={onExpand} onFocus={focus} />
      ) : (
        <LineageTable graph={graph} onFocus={focus} />
      )}
    </div>
  );
}

function LineageTable({ graph, onFocus }: { graph: Graph; onFocus: (urn: string) => void }) {
  const of = new Map(graph.nodes.map((node) => [node.urn, node]));
  const Name = ({ urn }: { urn: string }) => {
    const node = of.get(urn);
    return (
      <button type="button" className="lineage-name" onClick={() => onFocus(urn)}>
        {node?.label ?? urn}
        {node !== undefined && <span className="quiet"> {kindName(node)}</span>}
      </button>
    );
  };
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
