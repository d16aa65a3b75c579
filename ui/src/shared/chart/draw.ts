/** Draws lines onto uPlot's canvas: extents of buckets, raw ghosts, smoothed lines, marks where a value is no number. */
import type uPlot from 'uplot';
import { MARKS, type Drawn } from './series';
import { colour } from './theme';

export interface Style {
  smoothed: boolean;
  /** Draws the space between low and high as a band: they are a group's, not a bucket's. */
  bands: boolean;
  highlighted: string | null;
}

/** From a value to a pixel of the canvas; NaN for what has no place. */
type Place = (value: number) => number;

/** uPlot names it by an enum that exists only in its types. */
export const LOGARITHMIC = 3;

/** With so many lines, the extents of their buckets are drawn lighter: they lie on each other. */
const MANY = 24;

export function drawLines(plot: uPlot, lines: readonly Drawn[], style: Style): void {
  const { ctx } = plot;
  const { left, top, width, height } = plot.bbox;
  const [x, y] = [placing(plot.scales['x'], left, width), placing(plot.scales['y'], top + height, -height)];
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top - 1, width, height + 2);
  ctx.clip();
  ctx.lineJoin = 'round';
  const dimmed = style.highlighted !== null && lines.some((line) => line.id === style.highlighted);
  const order = dimmed ? [...lines].sort((a, b) => Number(a.id === style.highlighted) - Number(b.id === style.highlighted)) : lines;
  const faint = lines.length > MANY ? 0.5 : 1;
  for (const line of order) {
    const strong = !dimmed || line.id === style.highlighted;
    const pen: Pen = { ctx, xs: places(line.x, x), y, alpha: strong ? 1 : 0.16, weight: dimmed && strong ? 2.4 : 1.5, extent: dimmed && strong ? 1 : faint };
    drawLine(pen, line, style);
    drawNoNumbers(pen, line, top, height);
  }
  ctx.restore();
}

/** What uPlot's `valToPos` does, without asking it for every point anew. */
function placing(scale: uPlot.Scale | undefined, from: number, size: number): Place {
  const [min, max] = [scale?.min ?? 0, scale?.max ?? 1];
  if (Number(scale?.distr) === LOGARITHMIC) {
    const [low, span] = [Math.log(min), Math.log(max) - Math.log(min)];
    return (value) => (value > 0 ? from + ((Math.log(value) - low) / span) * size : NaN);
  }
  return (value) => from + ((value - min) / (max - min)) * size;
}

function places(values: Float64Array, place: Place): Float64Array {
  const found = new Float64Array(values.length);
  for (let at = 0; at < values.length; at += 1) found[at] = place(values[at] ?? NaN);
  return found;
}

interface Pen {
  ctx: CanvasRenderingContext2D;
  xs: Float64Array;
  y: Place;
  alpha: number;
  weight: number;
  extent: number;
}

function drawLine(pen: Pen, line: Drawn, style: Style): void {
  const { ctx, alpha, weight } = pen;
  const stroke = colour(line.colour);
  const ratio = devicePixelRatio;
  ctx.strokeStyle = stroke;
  ctx.fillStyle = stroke;
  ctx.setLineDash([]);
  ctx.globalAlpha = alpha * (style.bands ? 0.17 : pen.extent * (style.smoothed ? 0.1 : 0.2));
  drawExtent(pen, line);
  if (style.smoothed) {
    ctx.globalAlpha = alpha * 0.26;
    ctx.lineWidth = ratio;
    trace(pen, line.y);
  }
  ctx.globalAlpha = alpha;
  ctx.lineWidth = weight * ratio;
  ctx.setLineDash(line.dash.map((part) => part * ratio));
  trace(pen, line.line);
  ctx.setLineDash([]);
}

/** The space between the lowest and the highest value of each bucket, where they differ. */
function drawExtent({ ctx, xs, y }: Pen, line: Drawn): void {
  let start = -1;
  let spread = false;
  const close = (end: number) => {
    if (start >= 0 && spread) {
      ctx.beginPath();
      for (let at = start; at < end; at += 1) ctx.lineTo(xs[at] ?? 0, y(line.high[at] ?? 0));
      for (let at = end - 1; at >= start; at -= 1) ctx.lineTo(xs[at] ?? 0, y(line.low[at] ?? 0));
      ctx.fill();
    }
    start = -1;
    spread = false;
  };
  for (let at = 0; at < xs.length; at += 1) {
    const whole = Number.isFinite(y(line.low[at] ?? NaN)) && Number.isFinite(y(line.high[at] ?? NaN)) && Number.isFinite(xs[at]);
    if (!whole) close(at);
    else {
      if (start < 0) start = at;
      if (line.low[at] !== line.high[at]) spread = true;
    }
  }
  close(xs.length);
}

/** A line through finite values; a lone one is a dot. Nothing is drawn across a value that is no number. */
function trace({ ctx, xs, y }: Pen, values: Float64Array): void {
  ctx.beginPath();
  const lone: [number, number][] = [];
  let drawn = 0;
  const whole = (at: number) => Number.isFinite(values[at] ?? NaN) && Number.isFinite(xs[at]) && Number.isFinite(y(values[at] ?? NaN));
  for (let at = 0; at < xs.length; at += 1) {
    if (!whole(at)) {
      drawn = 0;
      continue;
    }
    const [px, py] = [xs[at] ?? 0, y(values[at] ?? 0)];
    if (drawn === 0) ctx.moveTo(px, py);
    else ctx.lineTo(px, py);
    if (drawn === 0 && !whole(at + 1)) lone.push([px, py]);
    drawn += 1;
  }
  ctx.stroke();
  for (const [px, py] of lone) {
    ctx.beginPath();
    ctx.arc(px, py, ctx.lineWidth * 1.6, 0, 2 * Math.PI);
    ctx.fill();
  }
}

/** NaN is a tick at the foot, an infinity a triangle at the edge it went over. */
function drawNoNumbers({ ctx, xs, alpha }: Pen, line: Drawn, top: number, height: number): void {
  const ratio = devicePixelRatio;
  ctx.globalAlpha = alpha;
  for (let at = 0; at < xs.length; at += 1) {
    const marks = line.marks[at] ?? 0;
    if (marks === 0) continue;
    const px = xs[at] ?? 0;
    if ((marks & MARKS.nan) !== 0) ctx.fillRect(px - ratio / 2, top + height - 6 * ratio, Math.max(1, ratio), 6 * ratio);
    for (const way of [(marks & MARKS.infinite) !== 0 ? 1 : 0, (marks & MARKS.negative) !== 0 ? -1 : 0]) {
      if (way === 0) continue;
      const edge = way > 0 ? top : top + height;
      ctx.beginPath();
      ctx.moveTo(px, edge);
      ctx.lineTo(px - 4 * ratio, edge + way * 7 * ratio);
      ctx.lineTo(px + 4 * ratio, edge + way * 7 * ratio);
      ctx.fill();
    }
  }
  ctx.globalAlpha = 1;
}
