/** The table of runs: rows and columns exist only while in sight. */
import { useNavigate } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, useCallback, useEffect, useMemo, useRef, type MouseEvent } from 'react';
import { hover, useIsHovered } from '@/shared/chart/hover';
import type { Look } from '@/shared/chart/palette';
import { age, clock, number } from '@/shared/ui/format';
import { Icon } from '@/shared/ui/icon';
import { Lasted, State } from '@/shared/ui/marks';
import type { Row, Rows, Value } from './rows';
import type { Selection } from './selection';

export interface ColumnSpec {
  id: string;
  title: string;
  /** What the server orders by; without it, not at all. */
  order?: string;
  width: number;
  number: boolean;
}

const FIXED: ColumnSpec[] = [
  { id: 'started', title: 'Started', order: 'start_time', width: 96, number: false },
  { id: 'duration', title: 'Duration', width: 84, number: true },
];
const NAME_WIDTH = 250;
const ROW = 32;

export function specOf(column: string): ColumnSpec {
  const dot = column.indexOf('.');
  const key = column.slice(dot + 1);
  const metric = column.startsWith('metrics.');
  const figure = metric ? /:(low|high|step)$/.exec(key) : null;
  const stem = figure === null ? key : key.slice(0, -figure[0].length);
  const named = figure === null ? stem : `${stem} (${{ low: 'min', high: 'max', step: 'step' }[figure[1] as 'low' | 'high' | 'step']})`;
  return {
    id: column,
    title: named,
    ...(figure === null ? { order: `${column.slice(0, dot)}.\`${stem}\`` } : {}),
    width: Math.min(180, Math.max(84, 34 + named.length * 7)),
    number: metric,
  };
}

interface TableProps {
  rows: Rows;
  columns: readonly string[];
  sort: string | undefined;
  onSort: (sort: string | undefined) => void;
  selection: Selection;
  looks: ReadonlyMap<string, Look>;
  cursor: number;
  onCursor: (index: number) => void;
}

export function RunsTable({ rows, columns, sort, onSort, selection, looks, cursor, onCursor }: TableProps) {
  const host = useRef<HTMLDivElement>(null);
  const specs = useMemo(() => [...FIXED, ...columns.map(specOf)], [columns]);
  const rowsInSight = useVirtualizer({ count: rows.total, getScrollElement: () => host.current, estimateSize: () => ROW, overscan: 12 });
  const columnsInSight = useVirtualizer({
    horizontal: true,
    count: specs.length,
    getScrollElement: () => host.current,
    estimateSize: (index) => specs[index]?.width ?? 100,
    getItemKey: (index) => specs[index]?.id ?? index,
    overscan: 3,
  });
  useEffect(() => columnsInSight.measure(), [columnsInSight, specs]);
  const items = rowsInSight.getVirtualItems();
  const [first, last] = [items[0]?.index ?? 0, items.at(-1)?.index ?? 0];
  const sideways = columnsInSight.getVirtualItems();
  const [left, right] = [(sideways[0]?.index ?? 0) - FIXED.length, (sideways.at(-1)?.index ?? 0) - FIXED.length];
  const { see } = rows;
  useEffect(() => see(first, last, Math.max(0, left), Math.max(0, right)), [see, first, last, left, right]);
  useEffect(() => {
    if (cursor >= 0) rowsInSight.scrollToIndex(cursor);
  }, [cursor, rowsInSight]);
  const inSight = `${sideways[0]?.index ?? 0} ${sideways.at(-1)?.index ?? -1}`;
  const across = useMemo(() => placed(specs, inSight), [specs, inSight]);
  const width = NAME_WIDTH + columnsInSight.getTotalSize();
  const follow = useFollow();
  return (
    <div className="runs" ref={host} role="table" aria-label="Runs" aria-rowcount={rows.total + 1} data-stale={rows.stale || undefined} tabIndex={0} onClick={follow}>
      <div className="runs-head" role="row" style={{ width }}>
        <div className="runs-name" role="columnheader" style={{ width: NAME_WIDTH }}>
          <SelectAll selection={selection} />
          <SortButton spec={{ id: 'name', title: 'Run', order: 'run_name', width: NAME_WIDTH, number: false }} sort={sort} onSort={onSort} />
        </div>
        {across.map(({ left, spec }) => (
          <div key={spec.id} role="columnheader" className="runs-cell" data-number={spec.number || undefined} style={{ left: NAME_WIDTH + left, width: spec.width }}>
            <SortButton spec={spec} sort={sort} onSort={onSort} />
          </div>
        ))}
      </div>
      <div role="rowgroup" style={{ height: rowsInSight.getTotalSize(), width, position: 'relative' }}>
        {items.map((item) => {
          const row = rows.row(item.index);
          const id = row?.run.id;
          return (
            <RunRow
              key={item.key}
              index={item.index}
              top={item.start}
              width={width}
              row={row}
              across={across}
              shown={id !== undefined && selection.has(id)}
              look={id === undefined ? undefined : looks.get(id)}
              current={item.index === cursor}
              onToggle={selection.toggle}
              onSolo={selection.solo}
              onCursor={onCursor}
            />
          );
        })}
      </div>
    </div>
  );
}

function SelectAll({ selection }: { selection: Selection }) {
  return (
    <button type="button" className="eye" aria-label={selection.size > 0 ? 'Show no run' : 'Show the first ten'} onClick={selection.size > 0 ? selection.none : selection.reset}>
      <Icon name={selection.size > 0 ? 'eye' : 'eyeoff'} size={14} />
    </button>
  );
}

function SortButton({ spec, sort, onSort }: { spec: ColumnSpec; sort: string | undefined; onSort: (sort: string | undefined) => void }) {
  if (spec.order === undefined) return <span className="cut">{spec.title}</span>;
  const way = sort === `${spec.order} asc` ? 'asc' : sort === `${spec.order} desc` ? 'desc' : null;
  const next = way === null ? `${spec.order} desc` : way === 'desc' ? `${spec.order} asc` : undefined;
  return (
    <button type="button" className="sort" title={spec.title} onClick={() => onSort(next)} aria-label={`${spec.title}${way === null ? '' : way === 'asc' ? ', rising' : ', falling'}; press to order`}>
      <span className="cut">{spec.title}</span>
      {way !== null && <Icon name={way === 'asc' ? 'up' : 'down'} size={11} />}
    </button>
  );
}

interface RowProps {
  index: number;
  top: number;
  width: number;
  row: Row | undefined;
  across: readonly Placed[];
  shown: boolean;
  look: Look | undefined;
  current: boolean;
  onToggle: (index: number, id: string, range: boolean) => void;
  onSolo: (id: string) => void;
  onCursor: (index: number) => void;
}

const RunRow = memo(function RunRow({ index, top, width, row, across, shown, look, current, onToggle, onSolo, onCursor }: RowProps) {
  const id = row?.run.id ?? '';
  const hovered = useIsHovered(id);
  if (row === undefined) {
    return (
      <div className="run-row" role="row" style={{ top, width }}>
        <div className="runs-name" style={{ width: NAME_WIDTH }}>
          <span className="run-waits" />
        </div>
      </div>
    );
  }
  const { run } = row;
  const toggle = (event: MouseEvent) => {
    if (event.altKey) onSolo(run.id);
    else onToggle(index, run.id, event.shiftKey);
  };
  return (
    <div
      className="run-row"
      role="row"
      aria-rowindex={index + 2}
      style={{ top, width }}
      data-hovered={(hovered && id !== '') || undefined}
      data-current={current || undefined}
      onMouseEnter={() => hover(shown ? run.id : null)}
      onMouseLeave={() => hover(null)}
      onClick={() => onCursor(index)}
    >
      <div className="runs-name" role="cell" style={{ width: NAME_WIDTH }}>
        <button type="button" className="eye" aria-pressed={shown} aria-label={`Show ${run.name} in the charts`} title="Shift for a range, Alt for this one alone" onClick={toggle}>
          {look === undefined ? <i /> : <Swatch look={look} />}
        </button>
        <State state={run.state} bare />
        <a href={`/runs/${run.id}`} data-run={run.id} className="cut run-link" title={run.name}>
          {run.name}
        </a>
      </div>
      {across.map(({ left, spec }) => (
        <Cell key={spec.id} run={run} spec={spec} left={left} value={isFixed(spec) ? undefined : row.value(spec.id)} />
      ))}
    </div>
  );
});

export function Swatch({ look }: { look: Look }) {
  return <i className="swatch" style={look.dash.length === 0 ? { background: `var(${look.colour})` } : { background: `repeating-linear-gradient(90deg, var(${look.colour}) 0 3px, transparent 3px 5px)` }} />;
}

interface CellProps {
  run: Row['run'];
  spec: ColumnSpec;
  left: number;
  value: Value | undefined;
}

const Cell = memo(function Cell({ run, spec, left, value }: CellProps) {
  return (
    <div role="cell" className="runs-cell" data-number={spec.number || undefined} style={{ left: NAME_WIDTH + left, width: spec.width }}>
      <CellText run={run} spec={spec} value={value} />
    </div>
  );
});

function CellText({ run, spec, value }: Omit<CellProps, 'left'>) {
  if (spec.id === 'started') {
    const at = Date.parse(run.start);
    return (
      <time dateTime={run.start} title={clock(at)}>
        {age(at)}
      </time>
    );
  }
  if (spec.id === 'duration') return <Lasted run={run} />;
  if (value === undefined) return null;
  if (value === null) return <span className="quiet">–</span>;
  if (spec.number) return <span title={String(value)}>{number(value)}</span>;
  return (
    <span className="cut" title={String(value)}>
      {value}
    </span>
  );
}

function isFixed(spec: ColumnSpec): boolean {
  return FIXED.includes(spec);
}

interface Placed {
  left: number;
  spec: ColumnSpec;
}

/** The columns from one to another, each with where it begins. The same array while they are the same, so that rows stay. */
function placed(specs: readonly ColumnSpec[], range: string): Placed[] {
  const [first = 0, last = -1] = range.split(' ').map(Number);
  let left = specs.slice(0, first).reduce((sum, spec) => sum + spec.width, 0);
  return specs.slice(first, last + 1).map((spec) => {
    const place = { left, spec };
    left += spec.width;
    return place;
  });
}

/** Opens a run whose name was pressed. One handler for all rows: a router's link in each made scrolling stutter. */
function useFollow(): (event: MouseEvent) => void {
  const navigate = useNavigate();
  return useCallback(
    (event) => {
      const run = event.target instanceof Element ? event.target.closest<HTMLElement>('a[data-run]')?.dataset['run'] : undefined;
      if (run === undefined || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      void navigate({ to: '/runs/$run', params: { run } });
    },
    [navigate],
  );
}
