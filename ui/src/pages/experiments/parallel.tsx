/** Parallel coordinates on a canvas of our own: a line a run, coloured by the last axis; drag on an axis to pick a stretch. */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState, type PointerEvent } from 'react';
import { tableQuery } from '@/api/queries';
import { hover, useHovered } from '@/shared/chart/hover';
import { useSize } from '@/shared/chart/size';
import { colour, useThemeVersion } from '@/shared/chart/theme';
import { Button, Checkbox } from '@/shared/ui/controls';
import { Empty, Failure, Skeleton } from '@/shared/ui/feedback';
import { number, plural } from '@/shared/ui/format';
import { Popover } from '@/shared/ui/overlays';
import { axesOf, commonParams, fit, numeric, ticks, type Scale } from './axes';
import type { PlotProps } from './plots';
import type { Value } from './rows';
import { tableOf } from './table-query';

const MOST = 5000;
const EDGE = { side: 70, top: 40, bottom: 18 };
const MOST_KINDS = 24;

interface Line {
  id: string;
  name: string;
  at: (number | null)[];
  share: number;
}

interface AxisPlan {
  name: string;
  labels: { at: number; text: string }[];
  place: (value: Value) => number | null;
}

export function Parallel({ experiments, search, keys, change }: PlotProps) {
  const all = axesOf(keys);
  const chosen = useMemo(() => (search.axes ?? []).filter((axis) => all.includes(axis)), [search.axes, all]);
  const metric = all.find((axis) => axis.startsWith('metrics.') && !axis.startsWith('metrics.system/'));
  const first = [...commonParams(keys).slice(0, 12), ...(metric === undefined ? [] : [metric])];
  const asked = chosen.length >= 2 ? chosen : first;
  const query = useQuery({ ...tableQuery({ ...tableOf(experiments, search, asked), limit: MOST }), enabled: asked.length >= 2 });
  const varying = asked.filter((axis) => new Set(query.data?.columns[axis]?.filter((value) => value !== null)).size > 1);
  const axes = chosen.length >= 2 || varying.length < 2 ? asked : varying.slice(-7);
  const [ref, width, height] = useSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [picked, setPicked] = useState<Record<string, [number, number]>>({});
  const [dragged, setDragged] = useState<{ axis: string; from: number } | null>(null);
  const theme = useThemeVersion();
  const hovered = useHovered();
  const mark = axes.join('\n');
  const { plans, lines } = useMemo(() => {
    const names = mark.split('\n');
    const { runs = [], columns = {} } = query.data ?? {};
    const made = names.map((name) => planOf(name, columns[name] ?? [], EDGE.top, height - EDGE.bottom));
    const last = made.at(-1);
    const found = runs.map((run, index): Line => {
      const at = made.map((plan) => plan.place(columns[plan.name]?.[index] ?? null));
      const end = last === undefined ? null : (at.at(-1) ?? null);
      return { id: run.id, name: run.name, at, share: end === null ? 0 : 1 - (end - EDGE.top) / Math.max(1, height - EDGE.bottom - EDGE.top) };
    });
    return { plans: made, lines: found };
  }, [query.data, mark, height]);
  const x = (index: number) => EDGE.side + (index * (width - 2 * EDGE.side)) / Math.max(1, plans.length - 1);
  const keep = (line: Line) =>
    plans.every((plan, index) => {
      const range = picked[plan.name];
      const at = line.at[index] ?? null;
      return range === undefined || (at !== null && at >= range[0] && at <= range[1]);
    });
  const kept = lines.filter(keep);
  useEffect(() => {
    const node = canvas.current;
    const context = node?.getContext('2d');
    if (node === null || context === null || context === undefined || width === 0) return;
    node.width = width * devicePixelRatio;
    node.height = height * devicePixelRatio;
    context.scale(devicePixelRatio, devicePixelRatio);
    const held = new Set(kept);
    const draw = (line: Line, stroke: string, alpha: number, weight: number) => {
      context.strokeStyle = stroke;
      context.globalAlpha = alpha;
      context.lineWidth = weight;
      context.beginPath();
      let open = false;
      line.at.forEach((at, index) => {
        if (at === null) open = false;
        else if (open) context.lineTo(x(index), at);
        else {
          context.moveTo(x(index), at);
          open = true;
        }
      });
      context.stroke();
    };
    for (const line of lines) if (!held.has(line)) draw(line, colour('--line-strong'), 0.25, 1);
    for (const line of kept) draw(line, shade(line.share), lines.length > 300 ? 0.35 : 0.75, 1.3);
    const near = lines.find((line) => line.id === hovered);
    if (near !== undefined) draw(near, colour('--text'), 1, 2.4);
  });
  const point = (event: PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top] as const;
  };
  const axisAt = (px: number) => plans.findIndex((_, index) => Math.abs(x(index) - px) < 16);
  const move = (event: PointerEvent) => {
    const [px, py] = point(event);
    if (dragged !== null) {
      setPicked((now) => ({ ...now, [dragged.axis]: [Math.min(dragged.from, py), Math.max(dragged.from, py)] }));
      return;
    }
    hover(nearestLine(kept, px, py, x)?.id ?? null);
  };
  const near = lines.find((line) => line.id === hovered);
  return (
    <div className="plot">
      <div className="plot-options">
        <Popover label="Axes" trigger={<Button icon="parallel">Axes</Button>}>
          <div className="chooser">
            {all.map((axis) => (
              <label key={axis} className="chooser-row">
                <Checkbox checked={axes.includes(axis)} label={axis} onChange={(on) => change({ axes: on ? [...axes, axis] : axes.filter((item) => item !== axis) })} />
                <span className="cut grow">{axis}</span>
              </label>
            ))}
          </div>
        </Popover>
        <span className="quiet grow">{query.data !== undefined && (kept.length === lines.length ? plural(lines.length, 'run') : `${kept.length} of ${plural(lines.length, 'run')}`)}</span>
        {Object.keys(picked).length > 0 && (
          <Button tone="quiet" icon="undo" onClick={() => setPicked({})}>
            Show all
          </Button>
        )}
        {near !== undefined && <span className="cut">{near.name}</span>}
      </div>
      {query.isError && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.isPending && axes.length >= 2 && <Skeleton lines={4} />}
      {axes.length < 2 && <Empty icon="parallel" title="It takes two axes">Choose params and metrics above.</Empty>}
      <div
        className="plot-area"
        ref={ref}
        onPointerMove={move}
        onPointerLeave={() => hover(null)}
        onPointerDown={(event) => {
          const [px, py] = point(event);
          const plan = plans[axisAt(px)];
          if (plan === undefined) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          setDragged({ axis: plan.name, from: py });
        }}
        onPointerUp={(event) => {
          const [, py] = point(event);
          if (dragged !== null && Math.abs(py - dragged.from) < 4) setPicked((now) => Object.fromEntries(Object.entries(now).filter(([name]) => name !== dragged.axis)));
          setDragged(null);
        }}
      >
        <canvas ref={canvas} style={{ width, height }} role="img" aria-label={`${lines.length} runs over ${axes.join(', ')}`} data-theme-version={theme} />
        {lines.length > 0 && (
          <svg width={width} height={height} className="parallel-axes" aria-hidden="true">
            {plans.map((plan, index) => (
              <g key={plan.name} transform={`translate(${x(index)} 0)`} fill="var(--text-3)" fontSize="11">
                <text y={22} textAnchor="middle" fill="var(--text)" fontWeight="550">
                  {short(plan.name.slice(plan.name.indexOf('.') + 1))}
                </text>
                <line y1={EDGE.top} y2={height - EDGE.bottom} stroke="var(--line-strong)" />
                {plan.labels.map(({ at, text }) => (
                  <text key={text} x={index === plans.length - 1 ? 8 : -8} y={at + 4} textAnchor={index === plans.length - 1 ? 'start' : 'end'}>
                    {text}
                  </text>
                ))}
                {picked[plan.name] !== undefined && <rect x={-7} width={14} y={picked[plan.name]?.[0]} height={(picked[plan.name]?.[1] ?? 0) - (picked[plan.name]?.[0] ?? 0)} fill="var(--accent)" opacity={0.28} rx={3} />}
              </g>
            ))}
          </svg>
        )}
      </div>
    </div>
  );
}

/** Where values stand on an axis: numbers on a scale, other texts one below the other. */
function planOf(name: string, column: readonly Value[], top: number, bottom: number): AxisPlan {
  const given = column.filter((value) => value !== null);
  const numbers = given.map(numeric).filter((value) => value !== null);
  if (numbers.length > 0 && numbers.length === given.length) {
    const scale: Scale = fit(numbers, bottom, top);
    return {
      name,
      labels: ticks(scale, 6).map((value) => ({ at: scale.at(value), text: number(value) })),
      place: (value) => {
        const found = numeric(value);
        return found === null ? null : scale.at(found);
      },
    };
  }
  const kinds = [...new Set(given.map(String))].sort();
  const places = new Map(kinds.map((kind, index) => [kind, kinds.length === 1 ? (top + bottom) / 2 : bottom - ((index + 0.5) * (bottom - top)) / kinds.length]));
  return {
    name,
    labels: kinds.slice(0, MOST_KINDS).map((kind) => ({ at: places.get(kind) ?? 0, text: short(kind) })),
    place: (value) => (value === null ? null : (places.get(String(value)) ?? null)),
  };
}

function short(text: string): string {
  return text.length > 16 ? `${text.slice(0, 15)}…` : text;
}

/** From blue over grey to orange: a scale that eyes of every kind read. */
function shade(share: number): string {
  return share < 0.5 ? `hsl(215 ${75 - share * 120}% 54%)` : `hsl(30 ${15 + (share - 0.5) * 150}% 52%)`;
}

function nearestLine(lines: readonly Line[], px: number, py: number, x: (index: number) => number): Line | null {
  let best: Line | null = null;
  let distance = 8;
  for (const line of lines) {
    for (let index = 0; index + 1 < line.at.length; index += 1) {
      const [from, to] = [x(index), x(index + 1)];
      const [a, b] = [line.at[index], line.at[index + 1]];
      if (px < from || px > to || a === null || b === null || a === undefined || b === undefined) continue;
      const away = Math.abs(a + ((b - a) * (px - from)) / (to - from) - py);
      if (away < distance) [distance, best] = [away, line];
    }
  }
  return best;
}
