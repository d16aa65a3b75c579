/** One run. */
import './run.css';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { lazy, Suspense, useDeferredValue, useMemo, useState } from 'react';
import { post, Problem, type Schemas } from '@/api/client';
import { filesQuery, runQuery } from '@/api/queries';
import { looks as looksOf } from '@/shared/chart/palette';
import { ChartOptions, settingsOf } from '@/shared/charts/chart-options';
import { Charts } from '@/shared/charts/charts';
import { told } from '@/shared/search';
import { useMay } from '@/shared/may';
import { Button } from '@/shared/ui/controls';
import { Boundary, Empty, Failure, Skeleton, Snippet } from '@/shared/ui/feedback';
import { clock } from '@/shared/ui/format';
import { Icon, type IconName } from '@/shared/ui/icon';
import { Ago, Chip, Count, Lasted, State } from '@/shared/ui/marks';
import { Dialog } from '@/shared/ui/overlays';
import { toast } from '@/shared/ui/toasts';
import { Code } from './code';
import { Logs, logFiles } from './logs';
import { Overview } from './overview';
import { RegisterDialog } from './register';
import { TABS, type RunSearch, type Tab } from './search';

const Artifacts = lazy(() => import('./artifacts').then((module) => ({ default: module.Artifacts })));
const Lineage = lazy(() => import('@/shared/lineage/lineage-map').then((module) => ({ default: module.LineageMap })));

export type Run = Schemas['Run'];
export type Files = Schemas['RunFiles']['files'];

const TITLES: Record<Tab, string> = { overview: 'Overview', charts: 'Charts', system: 'System', logs: 'Logs', artifacts: 'Artifacts', code: 'Code', lineage: 'Lineage' };

export function RunPage() {
  const { run: id } = useParams({ from: '/runs/$run' });
  const search = useSearch({ from: '/runs/$run' });
  const query = useQuery(runQuery(id));
  const files = useQuery(filesQuery(id));
  if (query.data === undefined) return query.isError ? <Failure whole error={query.error} retry={() => void query.refetch()} /> : <Skeleton lines={6} />;
  const run = query.data;
  const list = files.data?.files ?? [];
  const keys = Object.keys(run.metrics);
  const counts: Partial<Record<Tab, number>> = {
    charts: keys.filter((key) => !isSystem(key)).length,
    system: keys.filter(isSystem).length,
    logs: logFiles(list).length,
    artifacts: list.length,
  };
  const tab = search.tab ?? 'overview';
  return (
    <div className="page">
      <Head run={run} />
      {run.state === 'LOST' && <Lost run={run} />}
      {isGone(query.error) ? <Strip>This run was removed for good while you looked. What is shown is what this tab still has.</Strip> : run.lifecycle_stage === 'deleted' && <Deleted run={run} />}
      <nav className="tabs" aria-label="Parts of the run">
        {TABS.filter((name) => counts[name] !== 0 || name === tab).map((name) => (
          <Link key={name} from="/runs/$run" to="/runs/$run" search={name === 'overview' ? {} : { tab: name }} aria-current={name === tab ? 'page' : undefined} activeOptions={{ exact: true, includeSearch: true }}>
            {TITLES[name]}
            {counts[name] !== undefined && <Count value={counts[name]} />}
          </Link>
        ))}
      </nav>
      <Boundary key={tab}>
        <Suspense fallback={<Skeleton lines={6} />}>
          <Part tab={tab} run={run} files={list} search={search} />
        </Suspense>
      </Boundary>
    </div>
  );
}

function isGone(error: unknown): boolean {
  return error instanceof Problem && error.status === 404;
}

function Strip({ icon = 'trash', tone, children }: { icon?: IconName; tone?: 'warn'; children: React.ReactNode }) {
  return (
    <div className="run-strip" role="status" data-tone={tone}>
      <Icon name={icon} size={14} />
      {children}
    </div>
  );
}

/** What it means that a run is lost, and since when it is. */
function Lost({ run }: { run: Run }) {
  return (
    <Strip icon="alert" tone="warn">
      <span className="grow">
        Nothing was heard of this run since {clock(Date.parse(run.seen ?? run.start))}. Its process or machine may be gone, or the network. It goes on by itself as soon as something is heard.
      </span>
    </Strip>
  );
}

/** Says that a run is deleted, perhaps by another while it was looked at, and brings it back. */
function Deleted({ run }: { run: Run }) {
  const writes = useMay()('runs:write');
  const client = useQueryClient();
  const restore = useMutation({
    mutationFn: () => post('/api/v1/runs/update', { runs: [run.id], stage: 'active' }),
    onError: (error) => toast(error.message, { bad: true }),
    onSettled: () => client.invalidateQueries(),
  });
  return (
    <Strip>
      <span className="grow">This run is deleted. It can be restored until it is removed for good.</span>
      {writes && (
        <Button icon="undo" busy={restore.isPending} onClick={() => restore.mutate()}>
          Restore
        </Button>
      )}
    </Strip>
  );
}

function Part({ tab, run, files, search }: { tab: Tab; run: Run; files: Files; search: RunSearch }) {
  if (tab === 'overview') return <Overview run={run} />;
  if (tab === 'charts') return <RunCharts run={run} search={search} system={false} />;
  if (tab === 'system') return <RunCharts run={run} search={search} system />;
  if (tab === 'logs') return <Logs run={run} files={files} />;
  if (tab === 'artifacts') return <Artifacts run={run} files={files} chosen={search.file} />;
  if (tab === 'code') return <Code run={run} files={files} />;
  return <Lineage urn={run.urn} />;
}

function Head({ run }: { run: Run }) {
  const [reproducing, setReproducing] = useState(false);
  const [registering, setRegistering] = useState(false);
  const registers = useMay()('models:write');
  const commit = run.tags['mlflow.source.git.commit'];
  const dirty = run.tags['headrace.git.dirty'] === 'true' || run.tags['headrace.git.dirty'] === 'True';
  return (
    <header className="page-head run-head">
      <div className="grow run-titles">
        <nav className="crumbs" aria-label="Where">
          <Link to="/experiments/$experiments" params={{ experiments: run.experiment_id }} className="cut">
            {run.experiment}
          </Link>
          <Icon name="right" size={12} />
          {run.parent !== null && (
            <>
              <Parent id={run.parent} />
              <Icon name="right" size={12} />
            </>
          )}
          <h1 className="cut" title={run.name}>
            {run.name}
          </h1>
        </nav>
        <div className="run-facts">
          <State state={run.state} />
          <span>
            <Lasted run={run} />
          </span>
          <span>
            <Ago time={run.start} />
          </span>
          {run.user !== '' && (
            <span className="row">
              <Icon name="user" size={13} />
              {run.user}
            </span>
          )}
          {commit !== undefined && (
            <span className="row">
              <Icon name="git" size={13} />
              <Commit run={run} commit={commit} />
              {dirty && <Chip tone="warn">changed</Chip>}
            </span>
          )}
        </div>
      </div>
      <Button icon="play" onClick={() => setReproducing(true)}>
        Reproduce
      </Button>
      {registers && run.models.length > 0 && (
        <Button icon="box" tone="primary" onClick={() => setRegistering(true)}>
          Register
        </Button>
      )}
      <Dialog open={reproducing} onClose={() => setReproducing(false)} title="Reproduce this run" text="Runs the same code, with the same packages, arguments and data, and compares what comes out.">
        <Snippet text={`headrace reproduce ${run.id}`} />
      </Dialog>
      {registering && <RegisterDialog run={run} onClose={() => setRegistering(false)} />}
    </header>
  );
}

/** The run that it is nested in, by name once that is known. */
function Parent({ id }: { id: string }) {
  const { data } = useQuery(runQuery(id));
  return (
    <Link to="/runs/$run" params={{ run: id }} className={data === undefined ? 'mono' : 'cut'} title={data?.name}>
      {data?.name ?? id.slice(-8)}
    </Link>
  );
}

/** The commit, linked where the remote is known to be on the web. */
function Commit({ run, commit }: { run: Run; commit: string }) {
  const remote = run.tags['mlflow.source.git.repoURL'] ?? '';
  const found = /^(?:https:\/\/|git@)([\w.-]+)[:/](.+?)(?:\.git)?$/.exec(remote);
  const text = <span className="mono">{commit.slice(0, 9)}</span>;
  if (found === null) return text;
  return (
    <a className="link" href={`https://${found[1] ?? ''}/${found[2] ?? ''}/commit/${commit}`} target="_blank" rel="noreferrer noopener">
      {text}
    </a>
  );
}

function isSystem(key: string): boolean {
  return key.startsWith('system/');
}

function RunCharts({ run, search, system }: { run: Run; search: RunSearch; system: boolean }) {
  const navigate = useNavigate({ from: '/runs/$run' });
  const [find, setFind] = useState('');
  const wanted = useDeferredValue(find);
  const keys = useMemo(
    () =>
      Object.fromEntries(
        Object.keys(run.metrics)
          .filter((key) => isSystem(key) === system)
          .map((key) => [key, 1]),
      ),
    [run.metrics, system],
  );
  const metrics = useMemo(() => Object.keys(keys), [keys]);
  const runs = useMemo(() => [{ id: run.id, name: run.name }], [run.id, run.name]);
  const looks = useMemo(() => looksOf([run.id]), [run.id]);
  const first = system ? 'relative' : 'step';
  const settings = settingsOf(search, first);
  if (Object.keys(keys).length === 0) return <Empty icon="chart" title="No metrics yet">They appear here as the run logs them.</Empty>;
  return (
    <div className="run-charts">
      <ChartOptions settings={settings} metrics={metrics} find={find} onFind={setFind} change={(part) => void navigate({ search: (now) => told<RunSearch>({ ...now, ...part, ...(part.x === first ? { x: undefined } : {}) }), replace: true })} />
      <Charts keys={keys} runs={runs} looks={looks} grouping={null} settings={settings} find={wanted} />
    </div>
  );
}
