/** The table of runs: rows and columns exist only while in sight. */
import { useNavigate } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, useCallback, useDeferredValue, useEffect, useMemo, useRef, type MouseEvent } from 'react';
import { hover, useIsHovered } from '@/shared/chart/hover';
import type { Look } from '@/shared/chart/palette';
import { age, clock, number, plural } from '@/shared/ui/format';
import { Icon } from '@/shared/ui/icon';
import { Lasted, State } from '@/shared/ui/marks';
import type { Nest, Row, Rows, Value } from './rows';
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
/** Pixels that a nested run stands to the right, as deep as there is room. */
const INDENT = 14;
const DEEPEST = 4;
/** Pixels: of a letter at most, nearly, and of a cell's padding. */
const WIDEST_LETTER = 9;
const CELL_PADDING = 20;

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
    width: Math.min(180, Math.max(metric ? 100 : 84, 34 + named.length * 7)), // a figure is never cut: −0.005706
    number: metric,
  };
}

/** About what of the table is seen, before it is laid out: so the first picture has its rows. */
function inSight() {
  return { width: innerWidth / 2, height: innerHeight - 200 };
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
  /** Shows the runs nested in a run, or hides them. */
  onOpen: (id: string) => void;
}

export function RunsTable({ rows, columns, sort, onSort, selection, looks, cursor, onCursor, onOpen }: TableProps) {
  const host = useRef<HTMLDivElement>(null);
  const specs = useMemo(() => [...FIXED, ...columns.map(specOf)], [columns]);
  const rowsInSight = useVirtualizer({ count: rows.total, getScrollElement: () => host.current, estimateSize: () => ROW, overscan: 5, initialRect: inSight() });
  const placed = useMemo(() => place(specs), [specs]);
  const columnsInSight = useVirtualizer({
    horizontal: true,
    count: placed.length,
    getScrollElement: () => host.current,
    estimateSize: (index) => placed[index]?.spec.width ?? 100,
    getItemKey: (index) => placed[index]?.spec.id ?? index,
    overscan: 3,
    initialRect: inSight(),
  });
  useEffect(() => columnsInSight.measure(), [columnsInSight, placed]);
  const items = rowsInSight.getVirtualItems();
  const [first, last] = [items[0]?.index ?? 0, items.at(-1)?.index ?? 0];
  const sideways = columnsInSight.getVirtualItems();
  const [from, to] = [sideways[0]?.index ?? 0, sideways.at(-1)?.index ?? -1];
  const { see } = rows;
  useEffect(() => see(first, last, Math.max(0, from - FIXED.length), Math.max(0, to - FIXED.length)), [see, first, last, from, to]);
  useEffect(() => {
    if (cursor >= 0) rowsInSight.scrollToIndex(cursor);
  }, [cursor, rowsInSight]);
  const across = useMemo(() => placed.slice(from, to + 1), [placed, from, to]);
  const inRows = useDeferredValue(across); // rows follow between frames
  const width = NAME_WIDTH + columnsInSight.getTotalSize();
  const follow = useFollow();
  return (
    <div className="runs" ref={host} role="table" aria-label="Runs" aria-rowcount={rows.total + 1} data-stale={rows.stale || undefined} data-nested={rows.nested || undefined} tabIndex={0} onClick={follow}>
      <div className="runs-head" role="row" style={{ width }}>
        <div className="runs-name" role="columnheader" style={{ width: NAME_WIDTH }}>
          <SelectAll selection={selection} />
          <SortButton spec={{ id: 'name', title: 'Run', order: 'run_name', width: NAME_WIDTH, number: false }} sort={sort} onSort={onSort} />
        </div>
        {across.map(({ spec, left }) => (
          <div key={spec.id} role="columnheader" className="runs-cell" data-number={spec.number || undefined} style={{ left, width: spec.width }}>
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
              across={inRows}
              shown={id !== undefined && selection.has(id)}
              look={id === undefined ? undefined : looks.get(id)}
              current={item.index === cursor}
              onToggle={selection.toggle}
              onSolo={selection.solo}
              onCursor={onCursor}
              onOpen={onOpen}
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
  onSolo: (index: number, id: string) => void;
  onCursor: (index: number) => void;
  onOpen: (id: string) => void;
}

const RunRow = memo(function RunRow({ index, top, width, row, across, shown, look, current, onToggle, onSolo, onCursor, onOpen }: RowProps) {
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
  return (
    <div
      className="run-row"
      role="row"
      aria-rowindex={index + 2}
      style={{ top, width }}
      data-hovered={(hovered && id !== '') || undefined}
      data-current={current || undefined}
      onMouseEnter={() => hover(shown ? id : null)}
      onMouseLeave={() => hover(null)}
      onClick={() => onCursor(index)}
    >
      <NameCell index={index} run={row.run} {...row.nest} shown={shown} look={look} onToggle={onToggle} onSolo={onSolo} onOpen={onOpen} />
      {across.map(({ spec, left }) => (
        <Cell key={spec.id} run={row.run} spec={spec} left={left} value={isFixed(spec) ? undefined : row.value(spec.id)} />
      ))}
    </div>
  );
});

type NameProps = Pick<RowProps, 'index' | 'shown' | 'look' | 'onToggle' | 'onSolo' | 'onOpen'> & Pick<Row, 'run'> & Nest;

/** Stays as it is while columns come and go beside it. */
const NameCell = memo(function NameCell({ index, run, depth, children, open, shown, look, onToggle, onSolo, onOpen }: NameProps) {
  const toggle = (event: MouseEvent) => {
    if (event.altKey) onSolo(index, run.id);
    else onToggle(index, run.id, event.shiftKey);
  };
  return (
    <div className="runs-name" role="cell" style={{ width: NAME_WIDTH }}>
      <button type="button" className="eye" aria-pressed={shown} aria-label={`Show ${run.name} in the charts`} title="Shift for a range, Alt for this one alone" onClick={toggle}>
        {look === undefined ? <i /> : <Swatch look={look} />}
      </button>
      {depth > 0 && <i style={{ width: Math.min(depth, DEEPEST) * INDENT }} />}
      {children > 0 && (
        <button type="button" className="nest" aria-expanded={open} aria-label={`${plural(children, 'run')} nested in ${run.name}`} title={plural(children, 'nested run')} onClick={() => onOpen(run.id)}>
          <Icon name="right" size={12} />
        </button>
      )}
      <State state={run.state} bare />
      <a href={`/runs/${run.id}`} data-run={run.id} className="cut run-link" title={run.name}>
        {run.name}
      </a>
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

/** Stays as it is while others come and go. One element, and clipped only where its text may not fit: thousands of them pass by, and each clip is a layer to paint. */
const Cell = memo(function Cell({ run, spec, left, value }: CellProps) {
  const text = value === undefined ? '' : value === null ? '–' : spec.number ? number(value) : String(value);
  const isLong = text.length * WIDEST_LETTER > spec.width - CELL_PADDING;
  return (
    <div
      role="cell"
      className={isLong ? 'runs-cell cut' : 'runs-cell'}
      data-number={spec.number || undefined}
      data-none={value === null || undefined}
      style={{ left, width: spec.width }}
      title={value === undefined || value === null ? undefined : String(value)}
    >
      {isFixed(spec) ? <Fixed run={run} spec={spec} /> : text}
    </div>
  );
});

function Fixed({ run, spec }: Pick<CellProps, 'run' | 'spec'>) {
  if (spec.id === 'duration') return <Lasted run={run} />;
  const at = Date.parse(run.start);
  return (
    <time dateTime={run.start} title={clock(at)}>
      {age(at)}
    </time>
  );
}

function isFixed(spec: ColumnSpec): boolean {
  return FIXED.includes(spec);
}

/** A column, and how far from the left it begins, in pixels. */
interface Placed {
  spec: ColumnSpec;
  left: number;
}

function place(specs: readonly ColumnSpec[]): Placed[] {
  let end = NAME_WIDTH;
  return specs.map((spec) => {
    end += spec.width;
    return { spec, left: end - spec.width };
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
