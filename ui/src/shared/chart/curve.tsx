/** <Curve>: the one place that knows uPlot. uPlot has the axes, the scales and the pointer; lines are drawn by draw.ts. */
import 'uplot/dist/uPlot.min.css';
import { useEffect, useMemo, useRef, useState } from 'react';
import uPlot from 'uplot';
import { clock, duration, number } from '../ui/format';
import { LOGARITHMIC, drawLines } from './draw';
import { hover, hoveredRun, watchHover } from './hover';
import { MARKS, drawn, extent, nearest, usual, type Drawn, type Extent, type Line } from './series';
import { colour, fontFamily, useThemeVersion } from './theme';
import { ticks } from './ticks';
import { useSize } from './size';

/** Steps; seconds since 1970; seconds since each run's start; what another metric was. */
export type Axis = 'step' | 'time' | 'relative' | 'metric';

export interface CurveProps {
  lines: readonly Line[];
  title: string;
  axis?: Axis;
  xLabel?: string | undefined;
  xLog?: boolean;
  yLog?: boolean;
  smoothing?: number;
  /** Leaves out of the vertical axis what is far from all the rest. */
  usualOnly?: boolean;
  bands?: boolean;
  /** Without it, as wide as there is room. */
  width?: number | undefined;
  height?: number;
  zoom?: Extent | null;
  onZoom?: (range: Extent | null) => void;
}

interface Reading {
  left: number;
  x: number;
  rows: { line: Drawn; value: number; nearest: boolean }[];
  more: number;
}

const MOST_ROWS = 10;
/** Steps between the ticks of an axis of durations, in seconds: of each unit what people count in. */
const DURATIONS = [...[1e-3, 1e-2, 0.1].flatMap((unit) => [unit, 2 * unit, 5 * unit]), ...[1, 60].flatMap((unit) => [1, 2, 5, 10, 15, 30].map((count) => count * unit)), ...[1, 2, 3, 6, 12].map((hours) => hours * 3600), ...[1, 2, 5, 10, 30, 100, 365, 1000].map((days) => days * 86_400)];

export function Curve({ lines: given, title, axis = 'step', xLabel, xLog = false, yLog = false, smoothing = 0, usualOnly = false, bands = false, width: wide, height = 190, zoom = null, onZoom }: CurveProps) {
  const [host, measured] = useSize<HTMLDivElement>(wide === undefined);
  const width = wide ?? measured;
  const plotRef = useRef<uPlot | null>(null);
  const [reading, setReading] = useState<Reading | null>(null);
  const theme = useThemeVersion();
  const lines = useMemo(() => drawn(given, smoothing), [given, smoothing]);
  const scales = useMemo(() => ranges(lines, { zoom, xLog, yLog, smoothed: smoothing > 0, usualOnly }), [lines, zoom, xLog, yLog, smoothing, usualOnly]);
  const state = useRef({ lines, smoothed: smoothing > 0, bands, scales, onZoom });
  useEffect(() => {
    state.current = { lines, smoothed: smoothing > 0, bands, scales, onZoom };
  });

  const size = useRef({ width, height });
  useEffect(() => {
    size.current = { width, height };
    if (plotRef.current !== null && (plotRef.current.width !== width || plotRef.current.height !== height)) plotRef.current.setSize({ width, height });
  }, [width, height]);

  const known = width > 0;
  const isNew = useRef(false);
  useEffect(() => {
    const node = host.current;
    if (node === null || !known) return;
    const plot = new uPlot(options(size.current, { xLog, yLog, axis }, state, setReading), [[0, 1], [0, 1]], node);
    plotRef.current = plot;
    isNew.current = true;
    const forget = watchHover(eachFrame(() => plotRef.current === plot && plot.redraw(false)));
    return () => {
      forget();
      plot.destroy();
      letGo(plot.ctx.canvas);
      plotRef.current = null;
    };
  }, [host, known, xLog, yLog, axis, theme]);

  useEffect(() => {
    if (plotRef.current !== null && !isNew.current) apply(plotRef.current, scales);
    isNew.current = false; // what was made in this turn is drawn as it should be already
  }, [scales, lines, bands, known, xLog, yLog, axis, theme]);

  return (
    <div className="curve" style={{ height }} onMouseLeave={() => { setReading(null); hover(null); }} onDoubleClick={() => onZoom?.(null)}>
      <div ref={host} className="curve-host" role="img" aria-label={`${title}: ${summary(lines)}`} />
      {scales?.empty !== false && <div className="curve-none">{lines.length === 0 ? 'No points' : nothingSaid(lines, yLog)}</div>}
      {reading !== null && <CurveTip reading={reading} width={width} axis={axis} xLabel={xLabel} />}
    </div>
  );
}

/** A canvas keeps its pixels until it is collected, and of a thousand charts scrolled past that is late: without a size it has none. */
function letGo(canvas: HTMLCanvasElement): void {
  canvas.width = 0;
  canvas.height = 0;
}

/** Calls at most once a frame. */
function eachFrame(work: () => void): () => void {
  let waits = false;
  return () => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      work();
    });
  };
}

function nothingSaid(lines: readonly Line[], yLog: boolean): string {
  if (yLog && extent(lines.map((line) => line.y)) !== null) return 'Nothing above 0 for a logarithmic axis';
  const marks = lines.reduce((all, line) => line.marks.reduce((sum, mark) => sum | mark, all), 0);
  return marks === 0 ? 'No points here' : marks === MARKS.nan ? 'Only NaN was logged' : 'No finite number was logged';
}

function CurveTip({ reading, width, axis, xLabel }: { reading: Reading; width: number; axis: Axis; xLabel?: string | undefined }) {
  const flip = reading.left > width / 2;
  return (
    <div className="curve-tip" style={flip ? { right: width - reading.left + 12 } : { left: reading.left + 12 }}>
      <div className="curve-tip-x">
        {axis === 'time' ? clock(reading.x * 1000) : axis === 'relative' ? duration(reading.x) : `${xLabel ?? 'step'} ${number(reading.x)}`}
      </div>
      {reading.rows.map(({ line, value, nearest: near }) => (
        <div key={line.id} className="curve-tip-row" data-near={near || undefined}>
          <i style={{ background: `var(${line.colour})` }} />
          <span className="cut">{line.label}</span>
          <b>{number(value)}</b>
        </div>
      ))}
      {reading.more > 0 && <div className="quiet">{reading.more} more</div>}
    </div>
  );
}

interface Scales {
  x: Extent;
  y: Extent;
  /** There is no finite value: what is drawn are marks. */
  empty: boolean;
}

const UNIT: Extent = [0, 1];

interface Range {
  min: number;
  max: number;
}

interface Ranging {
  zoom: Extent | null;
  xLog: boolean;
  yLog: boolean;
  smoothed: boolean;
  usualOnly: boolean;
}

/** The extents that a chart shows: those of the lines within the zoom, a little more above and below. */
function ranges(lines: readonly Drawn[], { zoom, xLog, yLog, smoothed, usualOnly }: Ranging): Scales | null {
  const x = zoom ?? extent(lines.map((line) => line.x), xLog);
  if (x === null) return null;
  const shown = lines.flatMap((line) => {
    const first = Math.max(0, nearest(line.x, x[0]) - 1);
    const last = nearest(line.x, x[1]) + 2;
    const values = smoothed || usualOnly ? [line.line] : [line.low, line.high, line.y];
    return values.map((array) => array.subarray(first, last));
  });
  const y = usualOnly ? usual(shown, yLog) : extent(smoothed ? [...shown, ghost(lines, yLog)] : shown, yLog);
  return { x: pad(x, xLog, 0), y: y === null ? [yLog ? 0.1 : 0, 1] : pad(y, yLog, 0.06), empty: y === null };
}

/** The usual part of what was logged, which is drawn pale behind what is smoothed. */
function ghost(lines: readonly Drawn[], yLog: boolean): Float64Array {
  return Float64Array.from(usual(lines.map((line) => line.y), yLog) ?? []);
}

function pad([low, high]: Extent, log: boolean, share: number): Extent {
  if (log) return low === high ? [low / 2, high * 2] : [low / (1 + share), high * (1 + share)];
  if (low === high) {
    const around = Math.abs(low) * 0.1 || 1;
    return [low - around, high + around];
  }
  return [low - (high - low) * share, high + (high - low) * share];
}

/** Draws anew, once. */
function apply(plot: uPlot, scales: Scales | null): void {
  const [x, y] = shown(scales);
  plot.batch(() => {
    plot.setScale('x', x);
    plot.setScale('y', y);
  });
}

function shown(scales: Scales | null): [Range, Range] {
  const { x, y } = scales ?? { x: UNIT, y: UNIT };
  return [{ min: x[0], max: x[1] }, { min: y[0], max: y[1] }];
}

interface State {
  lines: readonly Drawn[];
  smoothed: boolean;
  bands: boolean;
  scales: Scales | null;
  onZoom: ((range: Extent | null) => void) | undefined;
}

function options(
  size: { width: number; height: number },
  { xLog, yLog, axis }: { xLog: boolean; yLog: boolean; axis: Axis },
  state: { current: State },
  tell: (reading: Reading | null) => void,
): uPlot.Options {
  const text = colour('--text-3');
  const [x, y] = shown(state.current.scales);
  const grid = { stroke: colour('--line'), width: 1 };
  const common = { stroke: text, font: `11px ${fontFamily()}`, grid, ticks: { show: false } };
  return {
    ...size,
    padding: [8, axis === 'step' || axis === 'metric' ? 12 : 26, 0, 0],
    legend: { show: false },
    scales: {
      x: { time: axis === 'time', auto: false, distr: distribution(xLog), ...x },
      y: { auto: false, distr: distribution(yLog), ...y },
    },
    series: [{}, { show: true, paths: () => null, points: { show: false } }],
    axes: [
      axis === 'time' ? { ...common, size: 36, gap: 5, space: 64 } : { ...common, size: 24, gap: 5, space: 64, ...(axis === 'relative' && !xLog ? { incrs: DURATIONS } : {}), values: (_: uPlot, splits: (number | null)[]) => (axis === 'relative' ? splits.map(lapse) : ticks(splits)) },
      { ...common, size: (_: uPlot, texts: string[] | null) => Math.max(46, ...(texts ?? []).map((text) => 12 + text.length * 6)), gap: 5, space: 32, values: (_: uPlot, splits: (number | null)[]) => (state.current.scales?.empty === false ? ticks(splits) : splits.map(() => '')) },
    ],
    cursor: {
      y: false,
      points: { show: false },
      drag: { x: true, y: false, setScale: false, dist: 6 },
    },
    select: { show: true, left: 0, top: 0, width: 0, height: 0 },
    hooks: {
      draw: [
        (plot) => {
          const { lines, smoothed, bands, scales } = state.current;
          if (scales !== null) drawLines(plot, lines, { smoothed, bands, highlighted: hoveredRun() });
        },
      ],
      setSelect: [
        (plot) => {
          const { left, width: wide } = plot.select;
          if (wide < 6) return;
          const range: Extent = [plot.posToVal(left, 'x'), plot.posToVal(left + wide, 'x')];
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          state.current.onZoom?.(range);
        },
      ],
      setCursor: [(plot) => tell(read(plot, state.current))],
    },
  };
}

function distribution(log: boolean): uPlot.Scale.Distr {
  return log ? LOGARITHMIC : 1; // eslint-disable-line @typescript-eslint/no-unsafe-enum-assignment
}

/** What is under the pointer: the value of every line there, highest first, and which line is nearest. */
function read(plot: uPlot, { lines, scales }: State): Reading | null {
  const { left = -1, top = -1 } = plot.cursor;
  if (left < 0 || top < 0 || scales === null) return null;
  const x = plot.posToVal(left, 'x');
  const slack = Math.abs(plot.posToVal(left + 24, 'x') - x);
  const rows: Reading['rows'] = [];
  let best: { distance: number; id: string } | null = null;
  for (const line of lines) {
    const at = nearest(line.x, x);
    if (at < 0 || (Math.abs((line.x[at] ?? 0) - x) > slack && (x < (line.x[0] ?? 0) || x > (line.x.at(-1) ?? 0)))) continue;
    const value = line.line[at] ?? NaN;
    rows.push({ line, value, nearest: false });
    const distance = Math.abs(plot.valToPos(value, 'y') - top);
    if (distance < 30 && (best === null || distance < best.distance)) best = { distance, id: line.id };
  }
  hover(best?.id ?? null);
  const closest = best?.id;
  for (const row of rows) row.nearest = row.line.id === closest;
  rows.sort((a, b) => (Number.isNaN(a.value) ? 1 : Number.isNaN(b.value) ? -1 : b.value - a.value));
  const found = rows.findIndex((row) => row.nearest);
  const first = Math.max(0, Math.min(found - MOST_ROWS / 2, rows.length - MOST_ROWS));
  const shown = rows.slice(first, first + MOST_ROWS);
  const at = shown[0] === undefined ? x : (shown[0].line.x[nearest(shown[0].line.x, x)] ?? x);
  return { left: left + plot.bbox.left / devicePixelRatio, x: at, rows: shown, more: rows.length - shown.length };
}

function lapse(value: number | null): string {
  return value === null ? '' : value === 0 ? '0' : duration(value);
}

/** A chart in one sentence, for those who don't see it. */
function summary(lines: readonly Drawn[]): string {
  if (lines.length === 0) return 'no curves';
  const said = lines.slice(0, 5).map((line) => `${line.label} ends at ${number(line.y.at(-1))}`);
  return `${lines.length} curves; ${said.join(', ')}${lines.length > 5 ? ', …' : ''}`;
}
