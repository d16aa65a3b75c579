/** One point a run: any figure against any other. Numbers in params count too. */
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useMemo, useRef, useState } from 'react';
import { tableQuery } from '@/api/queries';
import { hover } from '@/shared/chart/hover';
import { useSize } from '@/shared/chart/size';
import { Select } from '@/shared/ui/controls';
import { Empty, Failure, Skeleton } from '@/shared/ui/feedback';
import { number, plural } from '@/shared/ui/format';
import { axesOf, commonParams, fit, numeric, ticks, type Scale } from './axes';
import type { PlotProps } from './plots';
import { runsOf } from './table-query';

const MOST = 5000;
const EDGE = { left: 58, right: 18, top: 14, bottom: 38 };

export function Scatter({ experiments, search, keys, looks, change }: PlotProps) {
  const axes = axesOf(keys);
  const [first = '', second = ''] = search.axes ?? [commonParams(keys).find((axis) => /rate|depth|lr|dim|size|alpha|hidden/.test(axis)) ?? commonParams(keys)[0] ?? axes[0] ?? '', axes.find((axis) => axis.startsWith('metrics.')) ?? axes[0] ?? ''];
  const query = useQuery({ ...tableQuery({ ...runsOf(experiments, search, [...new Set([first, second])]), limit: MOST }), enabled: first !== '' && second !== '' });
  const [ref, width, height] = useSize<HTMLDivElement>();
  const [near, setNear] = useState<number | null>(null);
  const svg = useRef<SVGSVGElement>(null);
  const navigate = useNavigate();
  const points = useMemo(() => {
    const { runs = [], columns = {} } = query.data ?? {};
    return runs.flatMap((run, index) => {
      const [x, y] = [numeric(columns[first]?.[index]), numeric(columns[second]?.[index])];
      return x === null || y === null ? [] : [{ run, x, y }];
    });
  }, [query.data, first, second]);
  const x = fit(points.map((point) => point.x), EDGE.left, width - EDGE.right);
  const y = fit(points.map((point) => point.y), height - EDGE.bottom, EDGE.top);
  const options = axes.map((axis) => ({ value: axis, label: axis }));
  const find = (event: React.MouseEvent) => {
    const box = svg.current?.getBoundingClientRect();
    if (box === undefined) return;
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    let best = 18 ** 2;
    let found = -1;
    for (const [index, point] of points.entries()) {
      const distance = (x.at(point.x) - px) ** 2 + (y.at(point.y) - py) ** 2;
      if (distance < best) [best, found] = [distance, index];
    }
    setNear(found < 0 ? null : found);
    hover(points[found]?.run.id ?? null);
  };
  const shown = near === null ? undefined : points[near];
  const open = (run: string) => void navigate({ to: '/runs/$run', params: { run } });
  return (
    <div className="plot">
      <div className="plot-options">
        <Select label="Vertical axis" prefix="y" value={second} options={options} onChange={(axis) => change({ axes: [first, axis] })} />
        <Select label="Horizontal axis" prefix="x" value={first} options={options} onChange={(axis) => change({ axes: [axis, second] })} />
        <span className="quiet">{query.data !== undefined && `${plural(points.length, 'run')} of ${query.data.total ?? points.length}`}</span>
      </div>
      {query.isError && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.isPending && first !== '' && <Skeleton lines={4} />}
      {query.data !== undefined && points.length === 0 && <Empty icon="scatter" title="No run has numbers on both axes">Choose other axes above.</Empty>}
      <div className="plot-area" ref={ref} data-near={shown !== undefined || undefined} onMouseMove={find} onClick={() => shown !== undefined && open(shown.run.id)} onMouseLeave={() => { setNear(null); hover(null); }}>
        {points.length > 0 && width > 0 && (
          <svg ref={svg} width={width} height={height} role="img" aria-label={`${second} against ${first} of ${points.length} runs`}>
            <Grid scale={x} across={false} width={width} height={height} title={first} />
            <Grid scale={y} across width={width} height={height} title={second} />
            {points.map(({ run, x: px, y: py }) => {
              const look = looks.get(run.id);
              return <circle key={run.id} cx={x.at(px)} cy={y.at(py)} r={look === undefined ? 3.5 : 5} fill={look === undefined ? 'var(--text-3)' : `var(${look.colour})`} opacity={look === undefined ? 0.45 : 0.95} />;
            })}
            {shown !== undefined && <circle cx={x.at(shown.x)} cy={y.at(shown.y)} r="8" fill="none" stroke="var(--text)" strokeWidth="1.5" />}
          </svg>
        )}
        {shown !== undefined && (
          <div className="curve-tip" style={{ left: Math.min(x.at(shown.x) + 14, width - 220), top: Math.max(0, y.at(shown.y) - 60) }}>
            <b className="cut">{shown.run.name}</b>
            <div>{first}: {number(shown.x)}</div>
            <div>{second}: {number(shown.y)}</div>
          </div>
        )}
      </div>
    </div>
  );
}

function Grid({ scale, across, width, height, title }: { scale: Scale; across: boolean; width: number; height: number; title: string }) {
  return (
    <g fill="var(--text-3)" fontSize="11">
      {ticks(scale, across ? 6 : 8).map((value) => {
        const at = scale.at(value);
        return across ? (
          <g key={value}>
            <line x1={EDGE.left} x2={width - EDGE.right} y1={at} y2={at} stroke="var(--line)" />
            <text x={EDGE.left - 8} y={at + 4} textAnchor="end">{number(value)}</text>
          </g>
        ) : (
          <g key={value}>
            <line y1={EDGE.top} y2={height - EDGE.bottom} x1={at} x2={at} stroke="var(--line)" />
            <text x={at} y={height - EDGE.bottom + 16} textAnchor="middle">{number(value)}</text>
          </g>
        );
      })}
      <text x={across ? 12 : width / 2} y={across ? height / 2 : height - 6} textAnchor="middle" fill="var(--text-2)" transform={across ? `rotate(-90 12 ${height / 2})` : undefined}>
        {title}
      </text>
    </g>
  );
}
