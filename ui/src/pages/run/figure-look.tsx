/** A figure of Plotly, drawn here: Plotly's own library is three megabytes, and comes from elsewhere. */
import { useEffect, useMemo, type ReactNode } from 'react';
import { COLOURS } from '@/shared/chart/palette';
import { useSize } from '@/shared/chart/size';
import { colour, useThemeVersion } from '@/shared/chart/theme';
import { number, plural, whole } from '@/shared/ui/format';
import { figureIn, type Figure, type Trace } from './figure';

const HEIGHT = 420;
const EDGE = { left: 64, right: 16, top: 12, bottom: 34 };

interface Scale {
  at: (value: number | string | null) => number | null;
  low: number;
  high: number;
  ticks: { at: number; text: string }[];
}

/** The figure in a file, or what to show if there is none that is drawn here. */
export function FigureText({ text, otherwise }: { text: string; otherwise: ReactNode }) {
  const figure = useMemo(() => figureIn(text), [text]);
  return figure === null || figure.traces.length === 0 ? otherwise : <FigureLook figure={figure} />;
}

function FigureLook({ figure }: { figure: Figure }) {
  const [ref, width] = useSize<HTMLDivElement>();
  const theme = useThemeVersion();
  const scales = useMemo(() => ({ x: scaleOfX(figure.traces), y: scaleOfY(figure.traces) }), [figure]);
  const said = `${figure.title === '' ? 'Figure' : figure.title}: ${figure.traces.map((trace) => trace.name).join(', ')}`;
  useEffect(() => {
    const canvas = ref.current?.querySelector('canvas');
    if (canvas !== undefined && canvas !== null && width > 0) draw(canvas, width, figure.traces, scales);
  }, [ref, width, figure, scales, theme]);
  return (
    <div className="figure">
      {figure.title !== '' && <h3>{figure.title}</h3>}
      {figure.y !== '' && <p className="quiet">{figure.y}</p>}
      {figure.traces.length > 0 && (
        <div ref={ref}>
          <canvas role="img" aria-label={said} style={{ width: '100%', height: `${HEIGHT}px` }} />
        </div>
      )}
      {figure.x !== '' && <p className="quiet figure-x">{figure.x}</p>}
      <ul className="figure-names">
        {figure.traces.map((trace, index) => (
          <li key={index}>
            <i style={{ background: `var(${colourOf(index)})` }} />
            {trace.name}
          </li>
        ))}
      </ul>
      {figure.left.length > 0 && <p className="quiet">Not drawn here: {figure.left.join(', ')}. Download the file to see them.</p>}
      <details>
        <summary className="quiet">{plural(figure.traces.length, 'trace')} as a table</summary>
        <div className="table-scroll">
          <table className="grid-table" aria-label="Traces">
            <thead>
              <tr>
                <th>Trace</th>
                <th className="num">Points</th>
                <th className="num">Lowest</th>
                <th className="num">Highest</th>
              </tr>
            </thead>
            <tbody>
              {figure.traces.map((trace, index) => {
                const [low, high] = extent(trace.y);
                return (
                  <tr key={index}>
                    <td>{trace.name}</td>
                    <td className="num">{whole(trace.y.length)}</td>
                    <td className="num">{low <= high ? number(low) : '–'}</td>
                    <td className="num">{low <= high ? number(high) : '–'}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      </details>
    </div>
  );
}

function colourOf(index: number): string {
  return `--run-${index % COLOURS}`;
}

function extent(values: Iterable<number | null>): [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value === null) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}

const MOST_TICKS = 8;

/** Round numbers between two. */
function ticksBetween(low: number, high: number): number[] {
  const rough = (high - low) / 6 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.max(0, Math.min(MOST_TICKS * 2, Math.floor(high / step) - first + 1)) }, (_, index) => (first + index) * step);
}

function linear(low: number, high: number, read: (value: number | string | null) => number | null, text: (value: number) => string): Scale {
  const margin = (high - low || Math.abs(high) || 1) * 0.03;
  const [from, to] = low <= high ? [low - margin, high + margin] : [0, 1];
  return { low: from, high: to, at: read, ticks: ticksBetween(from, to).map((at) => ({ at, text: text(at) })) };
}

/** Along numbers, moments or names: as all of the values are. */
function scaleOfX(traces: readonly Trace[]): Scale {
  const values = traces.flatMap((trace) => trace.x).filter((value) => value !== null);
  const asNumber = (value: number | string | null) => (value === null || value === '' || !Number.isFinite(Number(value)) ? null : Number(value));
  const asTime = (value: number | string | null) => (typeof value === 'string' && /^\d{4}-\d\d/.test(value) && Number.isFinite(Date.parse(value)) ? Date.parse(value) : null);
  if (values.every((value) => asNumber(value) !== null)) return linear(...extent(values.map(asNumber)), asNumber, (value) => number(value));
  if (values.every((value) => asTime(value) !== null)) return linear(...extent(values.map(asTime)), asTime, (value) => new Date(value).toISOString().slice(0, 16).replace('T', ' '));
  const places = new Map([...new Set(values.map(String))].map((name, place) => [name, place]));
  const every = Math.ceil(places.size / MOST_TICKS);
  const ticks = [...places].filter(([, place]) => place % every === 0).map(([text, at]) => ({ at, text: text.length > 16 ? `${text.slice(0, 15)}…` : text }));
  return { low: -0.6, high: places.size - 0.4, at: (value) => places.get(String(value)) ?? null, ticks };
}

function scaleOfY(traces: readonly Trace[]): Scale {
  const [low, high] = traces.map((trace) => extent(trace.y)).reduce(([a, b], [c, d]) => [Math.min(a, c), Math.max(b, d)], [Infinity, -Infinity]);
  const zero = traces.some((trace) => trace.kind === 'bars');
  return linear(zero ? Math.min(0, low) : low, zero ? Math.max(0, high) : high, (value) => (typeof value === 'number' ? value : null), (value) => number(value));
}

function draw(canvas: HTMLCanvasElement, width: number, traces: readonly Trace[], scales: { x: Scale; y: Scale }): void {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(HEIGHT * ratio);
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.scale(ratio, ratio);
  const [wide, high] = [width - EDGE.left - EDGE.right, HEIGHT - EDGE.top - EDGE.bottom];
  const x = (value: number) => EDGE.left + ((value - scales.x.low) / (scales.x.high - scales.x.low)) * wide;
  const y = (value: number) => EDGE.top + (1 - (value - scales.y.low) / (scales.y.high - scales.y.low)) * high;
  axes(context, width, scales, x, y);
  const bars = traces.filter((trace) => trace.kind === 'bars');
  for (const [index, trace] of traces.entries()) {
    context.fillStyle = context.strokeStyle = colour(colourOf(index));
    if (trace.kind === 'bars') {
      const room = (wide / Math.max(1, new Set(bars.flatMap((one) => one.x)).size)) * 0.8;
      const own = Math.max(1, room / bars.length);
      const [zero, place] = [y(Math.max(0, scales.y.low)), bars.indexOf(trace)];
      for (const [at, value] of points(trace, scales)) context.fillRect(x(at) - room / 2 + own * place, Math.min(zero, y(value)), Math.max(1, own - 1), Math.abs(zero - y(value)));
      continue;
    }
    if (trace.kind !== 'markers') line(context, trace, scales, x, y);
    if (trace.kind !== 'lines') for (const [at, value] of points(trace, scales)) context.fillRect(x(at) - 2, y(value) - 2, 4, 4);
  }
}

function axes(context: CanvasRenderingContext2D, width: number, scales: { x: Scale; y: Scale }, x: (value: number) => number, y: (value: number) => number): void {
  context.font = '11px sans-serif';
  context.strokeStyle = colour('--line');
  context.fillStyle = colour('--text-2');
  context.lineWidth = 1;
  context.textAlign = 'right';
  context.textBaseline = 'middle';
  for (const { at, text } of scales.y.ticks) {
    context.beginPath();
    context.moveTo(EDGE.left, y(at));
    context.lineTo(width - EDGE.right, y(at));
    context.stroke();
    context.fillText(text, EDGE.left - 8, y(at));
  }
  context.textAlign = 'center';
  context.textBaseline = 'top';
  for (const { at, text } of scales.x.ticks) context.fillText(text, x(at), HEIGHT - EDGE.bottom + 8);
}

/** Points that have both a place and a value. */
function* points(trace: Trace, scales: { x: Scale; y: Scale }): Generator<[number, number]> {
  for (const [index, value] of trace.y.entries()) {
    const at = scales.x.at(trace.x[index] ?? null);
    if (at !== null && value !== null) yield [at, value];
  }
}

/** A line with a gap where nothing is. */
function line(context: CanvasRenderingContext2D, trace: Trace, scales: { x: Scale; y: Scale }, x: (value: number) => number, y: (value: number) => number): void {
  context.lineWidth = 1.6;
  context.beginPath();
  let drawn = false;
  for (const [index, value] of trace.y.entries()) {
    const at = scales.x.at(trace.x[index] ?? null);
    if (at === null || value === null) drawn = false;
    else {
      if (drawn) context.lineTo(x(at), y(value));
      else context.moveTo(x(at), y(value));
      drawn = true;
    }
  }
  context.stroke();
}
