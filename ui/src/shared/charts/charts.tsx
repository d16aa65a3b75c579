/** The charts of some runs: one for every metric, each alive only while in sight. */
import './charts.css';
import { useQuery } from '@tanstack/react-query';
import { memo, useCallback, useEffect, useMemo, useState } from 'react';
import { decodeLines, groupLines, type Grouping } from './lines';
import { curvesQuery } from '@/api/queries';
import { Curve, type Axis } from '@/shared/chart/curve';
import type { Look } from '@/shared/chart/palette';
import type { Extent } from '@/shared/chart/series';
import { useInSight, useSize } from '@/shared/chart/size';
import { IconButton } from '@/shared/ui/controls';
import { Boundary, Failure } from '@/shared/ui/feedback';
import { Icon } from '@/shared/ui/icon';
import { Count } from '@/shared/ui/marks';
import { Dialog, Menu } from '@/shared/ui/overlays';
import { saveCsv, savePng } from '@/shared/chart/save';

export interface ChartSettings {
  axis: string;
  smoothing: number;
  xLog: boolean;
  yLog: boolean;
}

export interface RunLabel {
  id: string;
  name: string;
  start: number;
}

interface ChartsProps {
  keys: Readonly<Record<string, number>>;
  runs: readonly RunLabel[];
  looks: ReadonlyMap<string, Look>;
  grouping: Grouping | null;
  settings: ChartSettings;
  find: string;
}

/** Charts in sections by the part of the key before the first slash; what the system logs comes last. */
export function sections(keys: Readonly<Record<string, number>>, find: string): [string, string[]][] {
  const wanted = find.toLowerCase();
  const found = new Map<string, string[]>();
  for (const key of Object.keys(keys).sort()) {
    if (!key.toLowerCase().includes(wanted)) continue;
    const slash = key.indexOf('/');
    const section = slash > 0 ? key.slice(0, slash) : '';
    found.set(section, [...(found.get(section) ?? []), key]);
  }
  const rank = (name: string) => (name === 'system' ? 2 : name === '' ? 0 : 1);
  return [...found].sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b));
}

export function Charts({ keys, runs, looks, grouping, settings, find }: ChartsProps) {
  const [zoom, setZoom] = useState<Extent | null>(null);
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set(['system']));
  const [bare, setBare] = useState<{ of: readonly RunLabel[]; keys: ReadonlySet<string> }>({ of: runs, keys: new Set() });
  const without = bare.of === runs ? bare.keys : NONE;
  const onBare = useCallback((key: string) => setBare((now) => ({ of: runs, keys: new Set([...(now.of === runs ? now.keys : []), key]) })), [runs]);
  const groups = sections(keys, find);
  if (runs.length === 0) return <p className="charts-none">Show a run by the eye at its row.</p>;
  if (groups.length === 0) return <p className="charts-none">{find === '' ? 'These runs have no metrics yet.' : 'No metric of that name.'}</p>;
  return (
    <div className="charts">
      {groups.map(([name, list]) => {
        const open = !closed.has(name) || find !== '';
        const toggle = () =>
          setClosed((now) => {
            const next = new Set(now);
            if (!next.delete(name)) next.add(name);
            return next;
          });
        return (
          <section key={name}>
            {groups.length > 1 && (
              <button type="button" className="charts-section" aria-expanded={open} onClick={toggle}>
                <Icon name={open ? 'down' : 'right'} size={12} />
                {name === '' ? 'Metrics' : name} <Count value={list.length} />
              </button>
            )}
            {open && (
              <div className="charts-grid">
                {list.filter((key) => !without.has(key)).map((key) => (
                  <ChartCard key={key} onBare={onBare} metric={key} runs={runs} looks={looks} grouping={grouping} settings={settings} zoom={zoom} onZoom={setZoom} />
                ))}
              </div>
            )}
          </section>
        );
      })}
      {without.size > 0 && (
        <p className="charts-bare">
          The runs shown have no points of {[...without].sort().slice(0, 6).join(', ')}
          {without.size > 6 && ` and ${without.size - 6} more`}.
        </p>
      )}
    </div>
  );
}

const NONE: ReadonlySet<string> = new Set();

interface CardProps {
  onBare: (key: string) => void;
  metric: string;
  runs: readonly RunLabel[];
  looks: ReadonlyMap<string, Look>;
  grouping: Grouping | null;
  settings: ChartSettings;
  zoom: Extent | null;
  onZoom: (zoom: Extent | null) => void;
}

const ChartCard = memo(function ChartCard(props: CardProps) {
  const [ref, seen] = useInSight<HTMLElement>();
  const [large, setLarge] = useState(false);
  const { metric } = props;
  return (
    <figure className="chart" ref={ref}>
      <figcaption>
        <span className="cut" title={metric}>
          {metric}
        </span>
        {seen && (
          <span className="chart-tools">
            {props.zoom !== null && <IconButton icon="undo" label="Show the whole axis" size={13} onClick={() => props.onZoom(null)} />}
            <IconButton icon="expand" label="Enlarge" size={13} onClick={() => setLarge(true)} />
            <Menu
              trigger={
                <button type="button" className="icon-button" aria-label={`Save ${metric}`}>
                  <Icon name="download" size={13} />
                </button>
              }
              items={[
                { label: 'PNG', icon: 'download', onSelect: () => savePng(ref.current, metric) },
                { label: 'CSV', icon: 'table', onSelect: () => void saveCsv({ runs: props.runs, metric, axis: props.settings.axis }) },
              ]}
            />
          </span>
        )}
      </figcaption>
      {seen ? (
        <Boundary>
          <ChartBody {...props} height={188} />
        </Boundary>
      ) : (
        <div className="chart-waits" />
      )}
      {large && (
        <Dialog open wide onClose={() => setLarge(false)} title={metric}>
          <ChartBody {...props} height={440} />
        </Dialog>
      )}
    </figure>
  );
});

function ChartBody({ metric, runs, looks, grouping, settings, zoom, onZoom, onBare, height }: CardProps & { height: number }) {
  const [ref, width] = useSize<HTMLDivElement>();
  const axis: Axis = settings.axis === 'step' || settings.axis === 'time' ? settings.axis : 'metric';
  const pixels = Math.min(1200, Math.max(100, Math.round(width / 100) * 100));
  const query = useQuery({
    ...curvesQuery({
      runs: runs.map((run) => run.id),
      keys: [metric],
      width: pixels,
      axis: axis === 'metric' ? `metric:${settings.axis}` : settings.axis,
      ...(zoom !== null && axis === 'step' ? { start: Math.floor(zoom[0]), end: Math.ceil(zoom[1]) } : {}),
    }),
    enabled: width > 0 && runs.length > 0,
  });
  const lines = useMemo(() => {
    const points = query.data ?? [];
    const shown = points.filter((one) => one.key === metric);
    return grouping === null ? decodeLines(shown, runs, looks, axis) : groupLines(shown, grouping, runs, axis);
  }, [query.data, runs, looks, grouping, axis, metric]);
  const none = query.data !== undefined && !query.isPlaceholderData && zoom === null && query.data.length === 0;
  useEffect(() => {
    if (none) onBare(metric);
  }, [none, onBare, metric]);
  return (
    <div ref={ref} className="chart-body" style={{ minHeight: height }} data-stale={query.isPlaceholderData || undefined}>
      {query.isError && query.data === undefined ? (
        <Failure error={query.error} retry={() => void query.refetch()} />
      ) : (
        query.data !== undefined && (
          <Curve
            lines={lines}
            title={metric}
            axis={axis}
            xLabel={axis === 'metric' ? settings.axis : undefined}
            xLog={settings.xLog}
            yLog={settings.yLog}
            smoothing={settings.smoothing}
            bands={grouping !== null}
            height={height}
            zoom={zoom}
            onZoom={onZoom}
          />
        )
      )}
    </div>
  );
}
