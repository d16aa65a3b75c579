/** Runs side by side: what differs, from difference to difference; their charts below one another. */
import './compare.css';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useCallback, useDeferredValue, useMemo, useRef, useState } from 'react';
import type { Schemas } from '@/api/client';
import { runsQuery } from '@/api/queries';
import { looks as looksOf, type Look } from '@/shared/chart/palette';
import { Charts } from '@/shared/charts/charts';
import { ChartOptions, settingsOf } from '@/shared/charts/chart-options';
import { useKeys } from '@/shared/keys';
import { isMerit, lessIsBetter } from '@/shared/merit';
import { Button, IconButton, Input, Segmented, Switch } from '@/shared/ui/controls';
import { Empty, Failure, Skeleton } from '@/shared/ui/feedback';
import { number, percent, plural } from '@/shared/ui/format';
import { State } from '@/shared/ui/marks';
import { Picker } from '@/shared/ui/picker';
import { useAtBest } from './at-best';
import { useEnvironments } from './environments';
import { best, factsOf, nextDifference, type FactRow } from './facts';
import { readCompareSearch, sideBySide, type CompareChange, type CompareSearch, type Figure } from './search';

type Run = Schemas['Run'];

export function ComparePage() {
  const search = useSearch({ from: '/compare' });
  const navigate = useNavigate({ from: '/compare' });
  const change = useCallback((part: CompareChange) => void navigate({ search: (now) => readCompareSearch({ ...now, ...part }), replace: true }), [navigate]);
  const { shown, waiting } = sideBySide(search);
  const query = useQuery(runsQuery(shown));
  const part = search.charts === true ? 'charts' : 'facts';
  const runs = useMemo(() => ordered(query.data?.runs ?? [], search.base), [query.data, search.base]);
  const looks = useMemo(() => looksOf(runs.map((run) => run.id)), [runs]);
  if (search.runs.length < 2) {
    return (
      <Empty whole icon="compare" title="Choose two or more runs">
        <p>Show runs of an experiment by the eye at their rows, and press Compare.</p>
        <Link to="/experiments" className="button">
          Experiments
        </Link>
      </Empty>
    );
  }
  if (query.data === undefined) return query.isError ? <Failure whole error={query.error} retry={() => void query.refetch()} /> : <Skeleton lines={8} />;
  const gone = query.isPlaceholderData ? [] : shown.filter((id) => !runs.some((run) => run.id === id));
  return (
    <div className="page">
      <header className="page-head">
        <h1>Compare {plural(runs.length, 'run')}</h1>
        {waiting.length > 0 && <span className="quiet">of {shown.length + waiting.length}; leave one out and the next comes</span>}
        <span className="grow" />
        <Segmented
          label="What to show"
          value={part}
          choices={[
            { value: 'facts', label: 'Facts', icon: 'table' },
            { value: 'charts', label: 'Charts', icon: 'chart' },
          ]}
          onChange={(next) => change({ charts: next === 'charts' ? true : undefined })}
        />
      </header>
      {gone.length > 0 && (
        <div className="compare-gone" role="status">
          <span className="grow">
            {gone.length === 1 ? 'One of these runs isn’t here' : `${gone.length} of these runs aren’t here`}: removed for good, or of another server.
          </span>
          <Button onClick={() => change({ runs: search.runs.filter((id) => !gone.includes(id)) })}>Leave out</Button>
        </div>
      )}
      {part === 'facts' ? <FactsPart runs={runs} looks={looks} search={search} change={change} /> : <ChartsPart runs={runs} looks={looks} search={search} change={change} />}
    </div>
  );
}

/** The base comes first. */
function ordered(runs: readonly Run[], base: string | undefined): Run[] {
  return [...runs].sort((a, b) => Number(b.id === base) - Number(a.id === base));
}

interface PartProps {
  runs: Run[];
  looks: ReadonlyMap<string, Look>;
  search: CompareSearch;
  change: (part: CompareChange) => void;
}

const FIGURES: { value: Figure; label: string }[] = [
  { value: 'last', label: 'Last' },
  { value: 'low', label: 'Min' },
  { value: 'high', label: 'Max' },
  { value: 'best', label: 'At best of' },
];

function FactsPart({ runs, looks, search, change }: PartProps) {
  const figure = search.figure ?? 'last';
  const metrics = useMemo(() => [...new Set(runs.flatMap((run) => Object.keys(run.metrics)))].sort(), [runs]);
  const of = search.at ?? metrics[0] ?? '';
  const at = useAtBest(figure === 'best' ? runs : [], of, metrics);
  const [text, setText] = useState('');
  const [place, setPlace] = useState(-1);
  const wanted = useDeferredValue(text.toLowerCase());
  const hideEqual = search.equal !== true;
  const environments = useEnvironments(runs);
  const all = useMemo(() => factsOf(runs, figure, at, environments), [runs, figure, at, environments]);
  const rows = useMemo(() => all.filter((row) => (!hideEqual || row.differs) && row.key.toLowerCase().includes(wanted)), [all, hideEqual, wanted]);
  const host = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => host.current, estimateSize: (index) => (startsSection(rows, index) ? 62 : 34), getItemKey: (index) => `${rows[index]?.section ?? ''} ${rows[index]?.key ?? ''}`, overscan: 10 });
  const go = (step: 1 | -1) => {
    const next = nextDifference(rows, place, step);
    setPlace(next);
    if (next >= 0) virtual.scrollToIndex(next, { align: 'center' });
  };
  useKeys({ n: () => go(1), p: () => go(-1), h: () => change({ equal: hideEqual ? true : undefined }), '/': () => field.current?.focus() });
  const count = all.filter((row) => row.differs).length;
  const width = `calc(var(--key) + ${runs.length * 190}px)`;
  return (
    <>
      <div className="toolbar compare-bar">
        <Input ref={field} icon="search" placeholder="Find a fact" aria-label="Find a fact" value={text} onChange={(event) => setText(event.target.value)} />
        <Segmented label="Figure of metrics" value={figure} choices={FIGURES} onChange={(next) => change({ figure: next === 'last' ? undefined : next })} />
        {figure === 'best' && <Picker label="Metric whose best step counts" value={of} options={metrics.map((key) => ({ value: key, label: key }))} onChange={(next) => change({ at: next })} />}
        <span className="row compare-steps">
          <span className="quiet">{plural(count, 'difference')}</span>
          <IconButton icon="up" label="Previous difference" keys="p" onClick={() => go(-1)} />
          <IconButton icon="down" label="Next difference" keys="n" onClick={() => go(1)} />
          <Switch label="Hide equal" checked={hideEqual} onChange={(on) => change({ equal: on ? undefined : true })} />
        </span>
      </div>
      <div className="compare" ref={host} role="table" aria-label="Comparison" aria-rowcount={rows.length + 1} tabIndex={0}>
        <div className="compare-head" role="row" style={{ minWidth: width }}>
          <div className="compare-key" role="columnheader">
            {hideEqual && all.length > rows.length && wanted === '' ? <span className="quiet">{plural(all.length - rows.length, 'fact')} equal in all</span> : null}
          </div>
          {runs.map((run, index) => (
            <RunHead key={run.id} run={run} look={looks.get(run.id)} base={index === 0} runs={runs} waiting={sideBySide(search).waiting} change={change} />
          ))}
        </div>
        {rows.length === 0 && <Empty icon="check" title={wanted === '' ? 'These runs are equal in every fact' : 'No fact of that name'}>{hideEqual && wanted === '' && <Button onClick={() => change({ equal: true })}>Show all facts</Button>}</Empty>}
        <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative', minWidth: width }}>
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index];
            return row === undefined ? null : <FactLine key={item.key} row={row} first={startsSection(rows, item.index)} top={item.start} current={item.index === place} />;
          })}
        </div>
      </div>
    </>
  );
}

function startsSection(rows: readonly FactRow[], index: number): boolean {
  return rows[index]?.section !== rows[index - 1]?.section;
}

function RunHead({ run, look, base, runs, waiting, change }: { run: Run; look: Look | undefined; base: boolean; runs: readonly Run[]; waiting: readonly string[]; change: PartProps['change'] }) {
  const drop = (event: React.DragEvent) => {
    event.preventDefault();
    const moved = event.dataTransfer.getData('text/plain');
    const order = runs.map((one) => one.id).filter((id) => id !== moved);
    if (!runs.some((one) => one.id === moved) || moved === run.id) return;
    order.splice(order.indexOf(run.id), 0, moved);
    change({ runs: [...order, ...waiting], base: order[0] });
  };
  return (
    <div className="compare-run" role="columnheader" draggable data-base={base || undefined} onDragStart={(event) => event.dataTransfer.setData('text/plain', run.id)} onDragOver={(event) => event.preventDefault()} onDrop={drop}>
      <div className="row">
        <i className="swatch" style={{ background: `var(${look?.colour ?? '--run-0'})` }} />
        <Link to="/runs/$run" params={{ run: run.id }} className="cut run-link grow" title={run.name}>
          {run.name}
        </Link>
        <IconButton icon="close" size={12} label={`Leave ${run.name} out`} onClick={() => change({ runs: [...runs.map((one) => one.id).filter((id) => id !== run.id), ...waiting] })} />
      </div>
      <div className="row quiet">
        <State state={run.state} />
        {base ? (
          <span className="base">base</span>
        ) : (
          <button type="button" className="base-button" onClick={() => change({ base: run.id })}>
            make base
          </button>
        )}
      </div>
    </div>
  );
}

function FactLine({ row, first, top, current }: { row: FactRow; first: boolean; top: number; current: boolean }) {
  const winner = row.section === 'Metrics' && row.numbers !== null && isMerit(row.key) ? best(row.numbers, lessIsBetter(row.key)) : -1;
  const base = row.values[0] ?? null;
  return (
    <div className="compare-row" role="row" style={{ top }} data-current={current || undefined}>
      {first && (
        <div className="compare-section" role="rowheader">
          {row.section}
        </div>
      )}
      <div className="compare-cells">
        <div className="compare-key" role="rowheader" title={row.key}>
          <span className="cut">{row.key}</span>
        </div>
        {row.values.map((value, index) => (
          <div key={index} className="compare-cell" role="cell" data-differs={(index > 0 && value !== base) || undefined} title={value ?? undefined}>
            {value === null ? <span className="quiet">–</span> : <span className="cut">{value}</span>}
            {index === winner && <span className="best">best</span>}
            {index > 0 && row.numbers !== null && isMerit(row.key) && <Delta from={row.numbers[0]} to={row.numbers[index]} less={lessIsBetter(row.key)} />}
          </div>
        ))}
      </div>
    </div>
  );
}

function Delta({ from, to, less }: { from: number | null | undefined; to: number | null | undefined; less: boolean }) {
  if (typeof from !== 'number' || typeof to !== 'number' || !Number.isFinite(from) || !Number.isFinite(to) || from === to) return null;
  const share = from === 0 ? null : Math.abs((to - from) / from);
  const better = less ? to < from : to > from;
  return (
    <span className="delta" data-better={better}>
      {to > from ? '+' : '−'}
      {share === null ? number(Math.abs(to - from), 2) : share > 9.995 ? '>999%' : percent(share)}
    </span>
  );
}

function ChartsPart({ runs, looks, search, change }: PartProps) {
  const [find, setFind] = useState('');
  const wanted = useDeferredValue(find);
  const keys = useMemo(() => Object.fromEntries(runs.flatMap((run) => Object.keys(run.metrics).map((key) => [key, 1]))), [runs]);
  const metrics = useMemo(() => Object.keys(keys).sort(), [keys]);
  const labels = useMemo(() => runs.map((run) => ({ id: run.id, name: run.name })), [runs]);
  const settings = settingsOf(search);
  return (
    <div className="run-charts">
      <ChartOptions settings={settings} metrics={metrics} find={find} onFind={setFind} change={(part) => change(part.x === 'step' ? { ...part, x: undefined } : part)} />
      <Charts keys={keys} runs={labels} looks={looks} grouping={null} settings={settings} find={wanted} />
    </div>
  );
}
