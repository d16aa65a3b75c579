/** The charts of some runs: one for every metric; of thousands, only those in sight exist. */
import './charts.css';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { decodeLines, groupLines, type Grouping } from './lines';
import { longest, rowsOf, type ChartRow } from './rows';
import { curvesQuery } from '@/api/queries';
import { Curve, type Axis } from '@/shared/chart/curve';
import type { Look } from '@/shared/chart/palette';
import { saveCsv, savePng } from '@/shared/chart/save';
import type { Extent } from '@/shared/chart/series';
import { useSize } from '@/shared/chart/size';
import { IconButton } from '@/shared/ui/controls';
import { Boundary, Failure } from '@/shared/ui/feedback';
import { number, whole } from '@/shared/ui/format';
import { Icon } from '@/shared/ui/icon';
import { Count } from '@/shared/ui/marks';
import { Dialog, LateMenu } from '@/shared/ui/overlays';

export interface ChartSettings {
  /** `step`, `time`, `relative`, or the key of a metric. */
  axis: string;
  smoothing: number;
  xLog: boolean;
  yLog: boolean;
  /** Leaves out of the vertical axis what is far from all the rest. */
  usual: boolean;
}

export interface RunLabel {
  id: string;
  name: string;
}

interface ChartsProps {
  keys: Readonly<Record<string, number>>;
  runs: readonly RunLabel[];
  looks: ReadonlyMap<string, Look>;
  grouping: Grouping | null;
  settings: ChartSettings;
  find: string;
}

const NARROWEST = 290;
const WIDEST = 760;
const GAP = 12;
const BODY = 188;
const CARD = BODY + 44;
const TITLE = 34;
/** What a card's own edges take of its width. */
const INSIDE = 14;

export function Charts({ keys, runs, looks, grouping, settings, find }: ChartsProps) {
  const [zoomed, setZoomed] = useState<{ axis: string; extent: Extent } | null>(null);
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set(['system']));
  const [bare, setBare] = useState<{ of: readonly RunLabel[]; keys: ReadonlySet<string> }>({ of: runs, keys: NONE });
  const without = bare.of === runs ? bare.keys : NONE;
  const onBare = useCallback((key: string) => setBare((now) => ({ of: runs, keys: new Set([...(now.of === runs ? now.keys : []), key]) })), [runs]);
  const [host, width] = useSize<HTMLDivElement>();
  const most = useMemo(() => longest(keys, find), [keys, find]);
  const columns = Math.max(1, Math.min(most, Math.floor((width + GAP) / (NARROWEST + GAP))));
  const rows = useMemo(() => rowsOf(keys, { find, closed, without, columns }), [keys, find, closed, without, columns]);
  const { axis } = settings;
  const onZoom = useCallback((extent: Extent | null) => setZoomed(extent === null ? null : { axis, extent }), [axis]);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => host.current,
    estimateSize: (index) => (rows[index]?.kind === 'charts' ? CARD + GAP : TITLE),
    getItemKey: (index) => rows[index]?.id ?? index,
    overscan: 1,
    paddingEnd: 24,
  });
  const sizes = rows.map((row) => row.kind[0]).join('');
  useEffect(() => virtual.measure(), [virtual, sizes]);
  const toggle = (name: string) =>
    setClosed((now) => {
      const next = new Set(now);
      if (!next.delete(name)) next.add(name);
      return next;
    });
  const none = runs.length === 0 ? 'Show a run by the eye at its row.' : rows.length > 0 ? '' : find === '' ? 'These runs have no metrics yet.' : 'No metric of that name.';
  const cardWidth = Math.min(WIDEST, Math.floor((width - (columns - 1) * GAP) / columns));
  return (
    <div className="charts" ref={host} tabIndex={none === '' ? 0 : undefined} role="group" aria-label="Charts of metrics">
      {none !== '' ? (
        <p className="charts-none">{none}</p>
      ) : (
        <div className="charts-all" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index];
            if (row === undefined || width === 0) return null;
            return (
              <div key={item.key} className="charts-line" style={{ transform: `translateY(${item.start}px)` }}>
                {row.kind === 'charts' ? (
                  <div className="charts-grid" style={{ gridTemplateColumns: `repeat(${columns}, minmax(0, ${WIDEST}px))`, columnGap: GAP }}>
                    {row.keys.map((key) => (
                      <ChartCard key={key} onBare={onBare} metric={key} runs={runs} looks={looks} grouping={grouping} settings={settings} zoom={zoomed?.axis === axis ? zoomed.extent : null} onZoom={onZoom} width={cardWidth - INSIDE} />
                    ))}
                  </div>
                ) : (
                  <RowTitle row={row} toggle={toggle} without={without} />
                )}
              </div>
            );
          })}
        </div>
      )}
    </div>
  );
}

const NONE: ReadonlySet<string> = new Set();

function RowTitle({ row, toggle, without }: { row: Exclude<ChartRow, { kind: 'charts' }>; toggle: (name: string) => void; without: ReadonlySet<string> }) {
  if (row.kind === 'bare') {
    return (
      <p className="charts-bare cut">
        The runs shown have no points of {[...without].sort().slice(0, 6).join(', ')}
        {without.size > 6 && ` and ${without.size - 6} more`}.
      </p>
    );
  }
  return (
    <button type="button" className="charts-section" aria-expanded={row.open} onClick={() => toggle(row.name)}>
      <Icon name={row.open ? 'down' : 'right'} size={12} />
      {row.name === '' ? 'Metrics' : row.name} <Count value={row.count} />
    </button>
  );
}

interface CardProps {
  onBare: (key: string) => void;
  metric: string;
  runs: readonly RunLabel[];
  looks: ReadonlyMap<string, Look>;
  grouping: Grouping | null;
  settings: ChartSettings;
  zoom: Extent | null;
  onZoom: (zoom: Extent | null) => void;
  width: number;
}

const ChartCard = memo(function ChartCard(props: CardProps) {
  const [large, setLarge] = useState(false);
  const card = useRef<HTMLElement>(null);
  const { metric } = props;
  return (
    <figure className="chart" ref={card}>
      <figcaption>
        <span className="cut" title={metric}>
          {metric}
        </span>
        <span className="chart-tools">
          {props.zoom !== null && <IconButton light icon="undo" label="Show the whole axis" size={13} onClick={() => props.onZoom(null)} />}
          <IconButton light icon="expand" label="Enlarge" size={13} onClick={() => setLarge(true)} />
          <LateMenu
            trigger={
              <button type="button" className="icon-button" aria-label={`Save ${metric}`} title="Save">
                <Icon name="download" size={13} />
              </button>
            }
            items={[
              { label: 'PNG', icon: 'download', onSelect: () => savePng(card.current, metric) },
              { label: 'CSV', icon: 'table', onSelect: () => void saveCsv({ runs: props.runs, metric, axis: axisOf(props.settings.axis) }) },
            ]}
          />
        </span>
      </figcaption>
      <Boundary>
        <ChartBody {...props} height={BODY} />
      </Boundary>
      {large && (
        <Dialog open wide onClose={() => setLarge(false)} title={metric}>
          <LargeChart {...props} />
        </Dialog>
      )}
    </figure>
  );
});

/** The chart as wide as the dialog, and its figures as a table. */
function LargeChart(props: CardProps) {
  const [ref, width] = useSize<HTMLDivElement>();
  const { data = [] } = useQuery({ ...curvesQuery({ runs: props.runs.map((run) => run.id), keys: [props.metric], width: 1, axis: 'step' }) });
  const names = new Map(props.runs.map((run) => [run.id, run.name]));
  return (
    <div ref={ref}>
      {width > 0 && <ChartBody {...props} width={width} height={440} />}
      <div className="table-scroll chart-figures" tabIndex={0} role="group" aria-label={`Figures of ${props.metric}`}>
        <table className="grid-table">
          <thead>
            <tr>
              <th>Run</th>
              <th className="num">Last</th>
              <th className="num">Min</th>
              <th className="num">Max</th>
              <th className="num">Points</th>
            </tr>
          </thead>
          <tbody>
            {data.map((one) => (
              <tr key={one.run}>
                <td>
                  <i className="swatch" style={{ background: `var(${props.looks.get(one.run)?.colour ?? '--run-0'})` }} /> {names.get(one.run)}
                </td>
                <td className="num">{number(one.last.at(-1))}</td>
                <td className="num">{number(one.low.at(-1))}</td>
                <td className="num">{number(one.high.at(-1))}</td>
                <td className="num">{whole(one.count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

/** What the server calls the axis. */
function axisOf(axis: string): string {
  return axis === 'step' || axis === 'time' || axis === 'relative' ? axis : `metric:${axis}`;
}

/** How much more than what is shown is read at each side of it, as a share, so that lines run on to the edges. */
const MARGIN = 0.1;

/** The stretch to ask for; steps are whole. */
function stretch([low, high]: Extent, axis: Axis): { start: number; end: number } {
  const more = (high - low) * MARGIN;
  return axis === 'step' ? { start: Math.floor(low - more), end: Math.ceil(high + more) } : { start: low - more, end: high + more };
}

function ChartBody({ metric, runs, looks, grouping, settings, zoom, onZoom, onBare, width, height }: CardProps & { height: number }) {
  const asked = axisOf(settings.axis);
  const axis: Axis = asked === 'step' || asked === 'time' || asked === 'relative' ? asked : 'metric';
  const pixels = Math.min(1200, Math.max(100, Math.round(width / 100) * 100));
  const query = useQuery({
    ...curvesQuery({
      runs: runs.map((run) => run.id),
      keys: [metric],
      width: zoom === null ? pixels : Math.round(pixels * (1 + 2 * MARGIN)),
      axis: asked,
      ...(zoom === null ? {} : stretch(zoom, axis)),
    }),
    placeholderData: (before, of) => ((of?.queryKey[1] as { axis?: string } | undefined)?.axis === asked ? keepPreviousData(before) : undefined),
    enabled: width > 0 && runs.length > 0,
  });
  const lines = useMemo(() => {
    const points = query.data ?? [];
    const shown = points.filter((one) => one.key === metric);
    return grouping === null ? decodeLines(shown, runs, looks) : groupLines(shown, grouping);
  }, [query.data, runs, looks, grouping, metric]);
  const none = query.data !== undefined && !query.isPlaceholderData && zoom === null && query.data.length === 0;
  useEffect(() => {
    if (none) onBare(metric);
  }, [none, onBare, metric]);
  return (
    <div className="chart-body" style={{ minHeight: height }} data-stale={query.isPlaceholderData || undefined}>
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
            usualOnly={settings.usual}
            smoothing={settings.smoothing}
            bands={grouping !== null}
            width={width}
            height={height}
            zoom={zoom}
            onZoom={onZoom}
          />
        )
      )}
    </div>
  );
}
