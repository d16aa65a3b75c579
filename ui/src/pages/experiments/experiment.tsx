/** An experiment, or several: its runs as a table beside charts of those that are shown. */
import './experiments.css';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { lazy, Suspense, useCallback, useDeferredValue, useEffect, useMemo, useRef, useState } from 'react';
import { Problem } from '@/api/client';
import { experimentsQuery, keysQuery, tableQuery } from '@/api/queries';
import { looks as looksOf, looksOfGroups } from '@/shared/chart/palette';
import { useKeys } from '@/shared/keys';
import { completerOf } from '@/shared/query/complete';
import { QueryBar, type QueryBarHandle } from '@/shared/query/query-bar';
import { told, type Told } from '@/shared/search';
import { Button, Segmented } from '@/shared/ui/controls';
import { Boundary, Empty, Failure, Skeleton, Snippet } from '@/shared/ui/feedback';
import { plural, whole } from '@/shared/ui/format';
import { Icon } from '@/shared/ui/icon';
import { Actions } from './actions';
import { ChartOptions, settingsOf } from '@/shared/charts/chart-options';
import type { RunLabel } from '@/shared/charts/charts';
import { ColumnChooser, GroupChooser } from './choosers';
import { asked, columnsOf, keepColumns, lastColumns } from './columns';
import { Divider } from './divider';
import type { Grouping } from '@/shared/charts/lines';
import { useRows, type Row, type Rows } from './rows';
import { RunsTable, Swatch } from './runs-table';
import type { ExperimentSearch, Mode } from './search';
import { useSelection, type Selection } from './selection';
import { tableOf } from './table-query';
import { Views } from './views';

/** Apart, for runs are shown before charts of them are drawn. */
const Charts = lazy(() => import('@/shared/charts/charts').then((module) => ({ default: module.Charts })));
const Plots = lazy(() => import('./plots').then((module) => ({ default: module.Plots })));

const MODES: { value: Mode; label: string; icon: 'columns' | 'table' | 'chart' | 'scatter' | 'parallel' | 'bolt'; keys: string }[] = [
  { value: 'both', label: 'Table and charts', icon: 'columns', keys: '0' },
  { value: 'table', label: 'Table', icon: 'table', keys: '1' },
  { value: 'charts', label: 'Charts', icon: 'chart', keys: '2' },
  { value: 'scatter', label: 'Scatter', icon: 'scatter', keys: '4' },
  { value: 'parallel', label: 'Parallel coordinates', icon: 'parallel', keys: '5' },
  { value: 'importance', label: 'What mattered', icon: 'bolt', keys: '6' },
];

/** So many open runs are in an address; more would make it longer than some take. */
const MOST_OPEN = 100;

export type Change = (change: Told<ExperimentSearch>) => void;

export function ExperimentPage() {
  const { experiments } = useParams({ from: '/experiments/$experiments' });
  const search = useSearch({ from: '/experiments/$experiments' });
  const navigate = useNavigate({ from: '/experiments/$experiments' });
  const change = useCallback<Change>((part) => void navigate({ search: (now) => told<ExperimentSearch>({ ...now, ...part }), replace: ('show' in part || 'open' in part) && Object.keys(part).length === 1 }), [navigate]);
  const keys = useQuery(keysQuery(experiments));
  const { cols, by } = search;
  const last = useMemo(() => lastColumns(experiments), [experiments]);
  const columns = useMemo(() => columnsOf(told({ cols }), keys.data, last), [cols, keys.data, last]);
  const groupBy = useMemo(() => by ?? [], [by]);
  const tableWith = (shown: readonly string[]) => tableOf(experiments, search, asked(told({ by }), shown));
  const begun = useMemo(() => columnsOf(told({ cols }), undefined, last), [cols, last]);
  const rows = useRows(tableWith(columns), tableWith(begun));
  useEffect(() => {
    if (keys.data !== undefined && cols === undefined) keepColumns(experiments, columns);
  }, [experiments, keys.data, cols, columns]);
  const setShow = useCallback((show: string[] | undefined) => change({ show }), [change]);
  const opened = search.open ?? rows.opened;
  const toggleOpen = useCallback((id: string) => change({ open: opened.includes(id) ? opened.filter((one) => one !== id) : [...opened, id].slice(-MOST_OPEN) }), [change, opened]);
  const selection = useSelection(rows, search.show, setShow);
  const looks = useMemo(() => looksOf(selection.ids), [selection.ids]);
  const shown = useShown(selection, rows, groupBy);
  const grouping = useMemo(() => groupingOf(shown, groupBy, search.band ?? 'std'), [shown, groupBy, search.band]);
  const [cursor, setCursor] = useState(-1);
  const [find, setFind] = useState('');
  const wanted = useDeferredValue(find);
  const query = useRef<QueryBarHandle>(null);
  const chosen = search.mode ?? 'both';
  const isBare = !rows.pending && rows.total === 0 && rows.error === null;
  const mode = chosen === 'both' && isBare ? 'table' : chosen; // without runs there are no charts
  const settings = settingsOf(search);
  const compare = useCompare();
  const open = useOpen();
  const focus = useCallback(() => query.current?.focus(), []);
  useKeys({ '/': focus, ...pageKeys({ change, rows, cursor, setCursor, selection, compare, open, toggleOpen }) });

  const complete = useMemo(() => completerOf(experiments.split(',')), [experiments]);

  const problem = rows.error instanceof Problem && (rows.error.status === 422 || rows.error.status === 400) ? rows.error.message : '';
  if (keys.isError && keys.data === undefined) return <Failure whole error={keys.error} retry={() => void keys.refetch()} />;
  return (
    <div className="page">
      <Head experiments={experiments} rows={rows} search={search} change={change} />
      <div className="toolbar">
        <QueryBar ref={query} value={search.q ?? ''} onChange={(q) => change({ q: q === '' ? undefined : q, show: undefined })} problem={problem} complete={complete} />
        <GroupChooser keys={keys.data} chosen={groupBy} band={search.band ?? 'std'} change={change} />
        <ColumnChooser keys={keys.data} chosen={columns} change={change} />
        <Segmented label="What to show" value={chosen} choices={MODES} iconsOnly onChange={(next) => change({ mode: next === 'both' ? undefined : next })} />
      </div>
      <div className="experiment" data-mode={mode}>
        {(mode === 'both' || mode === 'table') && (
          <section id="experiment-table" className="experiment-table" aria-label="Runs">
            <Actions selection={selection} search={search} change={change} compare={compare} />
            <RunsPart rows={rows} problem={problem} filtered={search.q !== undefined} columns={columns} search={search} change={change} selection={selection} looks={looks} cursor={cursor} onCursor={setCursor} onOpen={toggleOpen} />
          </section>
        )}
        {mode === 'both' && <Divider controls="experiment-table" />}
        {(mode === 'both' || mode === 'charts') && (
          <section className="experiment-charts" aria-label="Charts">
            <ChartOptions settings={settings} metrics={Object.keys(keys.data?.metrics ?? {})} find={find} onFind={setFind} change={(part) => change(part.x === 'step' ? { ...part, x: undefined } : part)} />
            {grouping !== null && <GroupLegend grouping={grouping} />}
            <Boundary>
              <Suspense fallback={<Skeleton lines={5} />}>
                <Charts keys={keys.data?.metrics ?? {}} runs={shown} looks={looks} grouping={grouping} settings={settings} find={wanted} />
              </Suspense>
            </Boundary>
          </section>
        )}
        {(mode === 'scatter' || mode === 'parallel' || mode === 'importance') && (
          <section className="experiment-plots">
            <Boundary>
              <Suspense fallback={<Skeleton lines={5} />}>
                <Plots mode={mode} experiments={experiments} search={search} keys={keys.data} looks={looks} change={change} />
              </Suspense>
            </Boundary>
          </section>
        )}
      </div>
    </div>
  );
}

function Head({ experiments, rows, search, change }: { experiments: string; rows: Rows; search: ExperimentSearch; change: Change }) {
  const all = useQuery(experimentsQuery());
  const names = experiments.split(',').map((id) => all.data?.experiments.find((item) => item.id === id)?.name ?? (all.isPending ? '…' : `Experiment ${id}`));
  return (
    <header className="page-head">
      <nav className="crumbs" aria-label="Where">
        <Link to="/experiments">Experiments</Link>
        <Icon name="right" size={12} />
        <h1 className="cut" title={names.join(', ')}>
          {names.join(', ')}
        </h1>
      </nav>
      <span className="count grow">{rows.pending || rows.error !== null ? '' : search.q === undefined ? plural(rows.found, 'run') : `${whole(rows.found)} match`}</span>
      <Views experiments={experiments} search={search} change={change} />
    </header>
  );
}

interface PartProps {
  rows: Rows;
  problem: string;
  filtered: boolean;
  columns: readonly string[];
  search: ExperimentSearch;
  change: Change;
  selection: Selection;
  looks: ReturnType<typeof looksOf>;
  cursor: number;
  onCursor: (index: number) => void;
  onOpen: (id: string) => void;
}

function RunsPart({ rows, problem, filtered, columns, search, change, selection, looks, cursor, onCursor, onOpen }: PartProps) {
  if (rows.pending) return <Skeleton lines={8} />;
  if (rows.error !== null && problem === '' && rows.total === 0) return <Failure error={rows.error} retry={rows.retry} />;
  if (rows.total === 0 && problem === '') {
    if (!filtered && search.deleted !== true) return <NoRuns />;
    return (
      <Empty icon="search" title={search.deleted === true ? 'No deleted runs' : 'No run matches'}>
        {filtered && <Button onClick={() => change({ q: undefined })}>Clear the filter</Button>}
      </Empty>
    );
  }
  return <RunsTable rows={rows} columns={columns} sort={search.sort} onSort={(sort) => change({ sort })} selection={selection} looks={looks} cursor={cursor} onCursor={onCursor} onOpen={onOpen} />;
}

/** What to do next, or that there is no such experiment. */
function NoRuns() {
  const { experiments } = useParams({ from: '/experiments/$experiments' });
  const all = useQuery(experimentsQuery());
  if (all.data === undefined) return <Skeleton lines={4} />;
  const found = all.data.experiments.filter((one) => experiments.split(',').includes(one.id));
  if (found[0] === undefined) {
    return (
      <Empty icon="search" title="There is no experiment of this number">
        <Link to="/experiments" className="button">
          Experiments
        </Link>
      </Empty>
    );
  }
  return (
    <Empty icon="flask" title="No runs yet">
      <p>The first appears here while it goes on.</p>
      <Snippet text={`import headrace as hr\n\nstore = hr.connect("${location.origin}")\nwith store.start_run(experiment=${JSON.stringify(found[0].name)}) as run:\n    run.log_metrics({"loss": 0.25}, step=1)`} label="Copy the code" />
    </Empty>
  );
}

function GroupLegend({ grouping }: { grouping: Grouping }) {
  return (
    <ul className="legend" aria-label="Groups">
      {[...looksOfGroups(grouping.of.values())].map(([label, look]) => (
        <li key={label}>
          <Swatch look={look} />
          <span className="cut">{label}</span>
        </li>
      ))}
    </ul>
  );
}

type Labelled = RunLabel & { groups: string[] };

/** The heads of the runs that are shown, wherever in the table they are, with the values that they are grouped by. */
function useShown(selection: Selection, rows: Rows, groupBy: readonly string[]): Labelled[] {
  const { ids, chosen } = selection;
  const first = chosen ? [] : ids.flatMap((_, index) => labelled(rows.row(index), groupBy) ?? []);
  const isHere = !chosen && first.length === ids.length;
  const text = JSON.stringify(first);
  const here = useMemo(() => JSON.parse(text) as Labelled[], [text]); // the same list while it says the same: charts stay
  const found = useQuery({
    ...tableQuery({ filter: `run_id IN (${ids.map((id) => `'${id}'`).join(', ')})`, columns: [...groupBy], view: 'all', limit: Math.max(1, ids.length), offset: 0 }),
    enabled: ids.length > 0 && !isHere,
  });
  const read = useMemo(() => {
    const places = new Map(found.data?.runs.map((run, place) => [run.id, place]));
    return ids.flatMap((id) => {
      const place = places.get(id);
      const run = place === undefined ? undefined : found.data?.runs[place];
      if (run === undefined || place === undefined) return [];
      return [{ id, name: run.name, groups: groupBy.map((column) => String(found.data?.columns[column]?.[place] ?? 'none')) }];
    });
  }, [found.data, ids, groupBy]);
  return isHere ? here : read;
}

/** A run of the table as charts tell of it; undefined while what it is grouped by isn't read. */
function labelled(row: Row | undefined, groupBy: readonly string[]): Labelled | undefined {
  const values = row === undefined ? [] : groupBy.map((column) => row.value(column));
  if (row === undefined || values.includes(undefined)) return undefined;
  return { id: row.run.id, name: row.run.name, groups: values.map((value) => String(value ?? 'none')) };
}

function groupingOf(shown: readonly Labelled[], groupBy: readonly string[], band: Grouping['band']): Grouping | null {
  if (groupBy.length === 0) return null;
  const titles = groupBy.map((column) => column.slice(column.indexOf('.') + 1));
  return { band, of: new Map(shown.map((run) => [run.id, run.groups.map((value, index) => `${titles[index] ?? ''} ${value}`).join(', ')])) };
}

function useCompare(): (ids: readonly string[]) => void {
  const navigate = useNavigate();
  return useCallback((ids) => void navigate({ to: '/compare', search: { runs: [...ids] } }), [navigate]);
}

function useOpen(): (run: string) => void {
  const navigate = useNavigate();
  return useCallback((run) => void navigate({ to: '/runs/$run', params: { run } }), [navigate]);
}

interface KeyParts {
  change: Change;
  rows: Rows;
  cursor: number;
  setCursor: (index: number) => void;
  selection: Selection;
  compare: (ids: readonly string[]) => void;
  open: (run: string) => void;
  toggleOpen: (run: string) => void;
}

function pageKeys({ change, rows, cursor, setCursor, selection, compare, open, toggleOpen }: KeyParts) {
  const row = rows.row(cursor);
  const id = row?.run.id;
  return {
    '0': () => change({ mode: undefined }),
    '1': () => change({ mode: 'table' as const }),
    '2': () => change({ mode: 'charts' as const }),
    '3': () => compare(selection.ids),
    '4': () => change({ mode: 'scatter' as const }),
    '5': () => change({ mode: 'parallel' as const }),
    '6': () => change({ mode: 'importance' as const }),
    c: () => compare(selection.ids),
    j: () => setCursor(Math.min(rows.total - 1, cursor + 1)),
    k: () => setCursor(Math.max(0, cursor - 1)),
    e: () => id !== undefined && open(id),
    o: () => id !== undefined && row?.nest.children !== 0 && toggleOpen(id),
    x: () => id !== undefined && selection.toggle(cursor, id, false),
  };
}
