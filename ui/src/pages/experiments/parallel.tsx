/** Parallel coordinates on a canvas of our own: a line a run, coloured by the last axis; drag on an axis to pick a stretch. */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState, type PointerEvent } from 'react';
import { tableQuery } from '@/api/queries';
import { hover, useHovered } from '@/shared/chart/hover';
import { useSize } from '@/shared/chart/size';
import { colour, useThemeVersion } from '@/shared/chart/theme';
import { Button, Checkbox } from '@/shared/ui/controls';
import { Empty, Failure, Skeleton } from '@/shared/ui/feedback';
import { plural } from '@/shared/ui/format';
import { Popover } from '@/shared/ui/overlays';
import { axesOf, commonParams } from './axes';
import { layOut, linesOf, nearestLine, planOf, short, type AxisPlan, type Layout, type Line } from './parallel-lines';
import type { PlotProps } from './plots';
import { runsOf } from './table-query';

const MOST = 5000;
/** Pixels from the middle of an axis within which it is pressed. */
const REACH = 16;

export function Parallel({ experiments, search, keys, change }: PlotProps) {
  const all = axesOf(keys);
  const chosen = useMemo(() => (search.axes ?? []).filter((axis) => all.includes(axis)), [search.axes, all]);
  const metric = all.find((axis) => axis.startsWith('metrics.') && !axis.startsWith('metrics.system/'));
  const first = [...commonParams(keys).slice(0, 12), ...(metric === undefined ? [] : [metric])];
  const asked = chosen.length >= 2 ? chosen : first;
  const query = useQuery({ ...tableQuery({ ...runsOf(experiments, search, asked), limit: MOST }), enabled: asked.length >= 2 });
  const varying = asked.filter((axis) => new Set(query.data?.columns[axis]?.filter((value) => value !== null)).size > 1);
  const axes = chosen.length >= 2 || varying.length < 2 ? asked : varying.slice(-7);
  const [ref, width, height] = useSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [picked, setPicked] = useState<Record<string, [number, number]>>({});
  const [dragged, setDragged] = useState<{ axis: string; from: number } | null>(null);
  const theme = useThemeVersion();
  const hovered = useHovered();
  const mark = axes.join('\n');
  const { layout, plans, lines } = useMemo(() => {
    const names = mark.split('\n');
    const made = layOut(names.length, width, height);
    const found = names.map((name) => planOf(name, query.data?.columns[name] ?? [], made));
    return { layout: made, plans: found, lines: linesOf(query.data, found, made) };
  }, [query.data, mark, width, height]);
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
        else if (open) context.lineTo(...layout.point(index, at));
        else {
          context.moveTo(...layout.point(index, at));
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
  /** Where the pointer is: across the axes, and along them. */
  const point = (event: PointerEvent): [number, number] => {
    const box = event.currentTarget.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    return layout.upright ? [px, py] : [py, px];
  };
  const axisAt = (across: number) => plans.findIndex((_, index) => Math.abs(layout.across(index) - across) < REACH);
  const move = (event: PointerEvent) => {
    const [across, along] = point(event);
    if (dragged !== null) {
      setPicked((now) => ({ ...now, [dragged.axis]: [Math.min(dragged.from, along), Math.max(dragged.from, along)] }));
      return;
    }
    hover(nearestLine(kept, across, along, layout.across)?.id ?? null);
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
        style={{ touchAction: layout.upright ? 'pan-x' : 'pan-y' }}
        onPointerMove={move}
        onPointerLeave={() => hover(null)}
        onPointerDown={(event) => {
          const [across, along] = point(event);
          const plan = plans[axisAt(across)];
          if (plan === undefined) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          setDragged({ axis: plan.name, from: along });
        }}
        onPointerUp={(event) => {
          const [, along] = point(event);
          if (dragged !== null && Math.abs(along - dragged.from) < 4) setPicked((now) => Object.fromEntries(Object.entries(now).filter(([name]) => name !== dragged.axis)));
          setDragged(null);
        }}
      >
        <canvas ref={canvas} style={{ width, height }} role="img" aria-label={`${lines.length} runs over ${axes.join(', ')}`} data-theme-version={theme} />
        {lines.length > 0 && (
          <svg width={width} height={height} className="parallel-axes" aria-hidden="true">
            {plans.map((plan, index) => (
              <AxisMarks key={plan.name} plan={plan} index={index} layout={layout} last={index === plans.length - 1} picked={picked[plan.name]} />
            ))}
          </svg>
        )}
      </div>
    </div>
  );
}

interface MarksProps {
  plan: AxisPlan;
  index: number;
  layout: Layout;
  last: boolean;
  picked: readonly [number, number] | undefined;
}

/** An axis: its line and its name, its ticks, and the stretch that was picked. */
function AxisMarks({ plan, index, layout, last, picked }: MarksProps) {
  const { upright, from, to } = layout;
  const title = short(plan.name.slice(plan.name.indexOf('.') + 1), layout.letters);
  const [begin, end] = picked ?? [0, 0];
  return (
    <g transform={upright ? `translate(${layout.across(index)} 0)` : `translate(0 ${layout.across(index)})`} fill="var(--text-3)" fontSize="11">
      <line {...(upright ? { y1: to, y2: from } : { x1: from, x2: to })} stroke="var(--line-strong)" />
      <text {...(upright ? { y: 22, textAnchor: 'middle' } : { x: from, y: -9 })} fill="var(--text)" fontWeight="550">
        {title}
      </text>
      {plan.labels.map(({ at, text }) => (
        <text key={text} {...(upright ? { x: last ? 8 : -8, y: at + 4, textAnchor: last ? 'start' : 'end' } : { x: at, y: 16, textAnchor: 'middle' })}>
          {text}
        </text>
      ))}
      {picked !== undefined && <rect {...(upright ? { x: -7, y: begin, width: 14, height: end - begin } : { x: begin, y: -7, width: end - begin, height: 14 })} fill="var(--accent)" opacity={0.28} rx={3} />}
    </g>
  );
}

/** From blue over grey to orange: a scale that eyes of every kind read. */
function shade(share: number): string {
  return share < 0.5 ? `hsl(215 ${75 - share * 120}% 54%)` : `hsl(30 ${15 + (share - 0.5) * 150}% 52%)`;
}
