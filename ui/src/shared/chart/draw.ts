/** Draws lines onto uPlot's canvas: extents of buckets, raw ghosts, smoothed lines, marks where a value is no number. */
import type uPlot from 'uplot';
import { smooth, type Line } from './series';
import { colour } from './theme';

export interface Style {
  smoothing: number;
  /** Draws the space between low and high as a band: they are a group's, not a bucket's. */
  bands: boolean;
  highlighted: string | null;
}

export function drawLines(plot: uPlot, lines: readonly Line[], style: Style): void {
  const { ctx } = plot;
  const { left, top, width, height } = plot.bbox;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top - 1, width, height + 2);
  ctx.clip();
  ctx.lineJoin = 'round';
  const dimmed = style.highlighted !== null && lines.some((line) => line.id === style.highlighted);
  const order = dimmed ? [...lines].sort((a, b) => Number(a.id === style.highlighted) - Number(b.id === style.highlighted)) : lines;
  for (const line of order) {
    const strong = !dimmed || line.id === style.highlighted;
    drawLine(plot, line, style, strong ? 1 : 0.16, dimmed && strong ? 2.4 : 1.5);
  }
  ctx.restore();
}

function drawLine(plot: uPlot, line: Line, style: Style, alpha: number, weight: number): void {
  const { ctx } = plot;
  const stroke = colour(line.colour);
  const ratio = devicePixelRatio;
  const xs = Array.from(line.x, (at) => plot.valToPos(at, 'x', true));
  const y = (value: number) => plot.valToPos(value, 'y', true);
  ctx.strokeStyle = stroke;
  ctx.fillStyle = stroke;
  ctx.setLineDash([]);
  drawExtent(ctx, xs, line, y, alpha * (style.bands ? 0.17 : style.smoothing > 0 ? 0.1 : 0.2));
  if (style.smoothing > 0) {
    ctx.globalAlpha = alpha * 0.26;
    ctx.lineWidth = ratio;
    trace(ctx, xs, line.y, y);
  }
  ctx.globalAlpha = alpha;
  ctx.lineWidth = weight * ratio;
  ctx.setLineDash(line.dash.map((part) => part * ratio));
  trace(ctx, xs, smooth(line.y, style.smoothing), y);
  ctx.setLineDash([]);
  drawNoNumbers(plot, xs, line, ratio);
  ctx.globalAlpha = 1;
}

/** The space between the lowest and the highest value of each bucket, where they differ. */
function drawExtent(ctx: CanvasRenderingContext2D, xs: number[], line: Line, y: (value: number) => number, alpha: number): void {
  ctx.globalAlpha = alpha;
  let start = -1;
  const close = (end: number) => {
    if (start < 0) return;
    ctx.beginPath();
    for (let at = start; at < end; at += 1) ctx.lineTo(xs[at] ?? 0, y(line.high[at] ?? 0));
    for (let at = end - 1; at >= start; at -= 1) ctx.lineTo(xs[at] ?? 0, y(line.low[at] ?? 0));
    ctx.fill();
    start = -1;
  };
  for (let at = 0; at < xs.length; at += 1) {
    const whole = Number.isFinite(line.low[at]) && Number.isFinite(line.high[at]);
    if (whole && start < 0) start = at;
    if (!whole) close(at);
  }
  close(xs.length);
}

/** A line through finite values; a lone one is a dot. Nothing is drawn across a value that is no number. */
function trace(ctx: CanvasRenderingContext2D, xs: number[], values: Float64Array, y: (value: number) => number): void {
  ctx.beginPath();
  const lone: [number, number][] = [];
  let drawn = 0;
  for (let at = 0; at < xs.length; at += 1) {
    const value = values[at] ?? NaN;
    if (!Number.isFinite(value)) {
      drawn = 0;
      continue;
    }
    const [px, py] = [xs[at] ?? 0, y(value)];
    if (drawn === 0) ctx.moveTo(px, py);
    else ctx.lineTo(px, py);
    if (drawn === 0 && !Number.isFinite(values[at + 1] ?? NaN)) lone.push([px, py]);
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
function drawNoNumbers(plot: uPlot, xs: number[], line: Line, ratio: number): void {
  const { ctx } = plot;
  const { top, height } = plot.bbox;
  for (let at = 0; at < xs.length; at += 1) {
    const px = xs[at] ?? 0;
    if ((line.nans[at] ?? 0) > 0) ctx.fillRect(px - ratio / 2, top + height - 6 * ratio, Math.max(1, ratio), 6 * ratio);
    const infinite = [line.y[at], line.high[at], line.low[at]].find((value) => value === Infinity || value === -Infinity);
    if (infinite === undefined) continue;
    const edge = infinite > 0 ? top : top + height;
    const way = infinite > 0 ? 1 : -1;
    ctx.beginPath();
    ctx.moveTo(px, edge);
    ctx.lineTo(px - 4 * ratio, edge + way * 7 * ratio);
    ctx.lineTo(px + 4 * ratio, edge + way * 7 * ratio);
    ctx.fill();
  }
}
