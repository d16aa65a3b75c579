/** What needs a look now: what runs, what failed, what was done last, what waits for a decision, what is late. */
import './home.css';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import type { Schemas } from '@/api/client';
import { freshnessQuery, type Fresh } from '@/api/features';
import { failedQuery, finishedQuery } from '@/api/home';
import { modelsQuery, openRequestsQuery, type Model, type Version } from '@/api/models';
import { catalogQuery, experimentsQuery } from '@/api/queries';
import { useMay } from '@/shared/may';
import { Boundary, Failure, Skeleton } from '@/shared/ui/feedback';
import { duration, plural, whole } from '@/shared/ui/format';
import { Icon } from '@/shared/ui/icon';
import { Ago, Chip, Lasted, State } from '@/shared/ui/marks';
import { allViews, sharedViews } from '@/shared/views';
import { Running } from './running';
import { Start } from './start';

export function HomePage() {
  const may = useMay();
  const experiments = useQuery(experimentsQuery());
  const models = useQuery({ ...modelsQuery(), enabled: may('models:read') });
  const catalog = useQuery({ ...catalogQuery(), enabled: may('definitions:read') });
  const runs = experiments.data?.experiments.reduce((sum, item) => sum + item.runs, 0);
  const bare = runs === 0 && models.data?.models.length === 0 && catalog.data?.group.length === 0;
  return (
    <div className="page">
      <header className="page-head">
        <h1>Home</h1>
        {runs !== undefined && runs > 0 && <span className="count">{`${plural(runs, 'run')} in ${plural(experiments.data?.experiments.filter((item) => item.runs > 0).length ?? 0, 'experiment')}`}</span>}
      </header>
      <div className="page-body">
        {experiments.isPending && <Skeleton lines={6} />}
        {experiments.isError && experiments.data === undefined && <Failure error={experiments.error} retry={() => void experiments.refetch()} />}
        {bare && <Start />}
        {runs !== undefined && !bare && (
          <div className="home">
            <div className="home-column">
              <Boundary>{runs === 0 ? <Start /> : <Running />}</Boundary>
              <Boundary>
                <Failed />
              </Boundary>
              <Boundary>
                <Finished />
              </Boundary>
            </div>
            <div className="home-column">
              {may('models:read') && (
                <>
                  <Boundary>
                    <Requests />
                  </Boundary>
                  <Boundary>
                    {models.isError && models.data === undefined ? <Failure error={models.error} retry={() => void models.refetch()} /> : <Waiting models={models.data?.models} />}
                  </Boundary>
                </>
              )}
              {may('features:read') && (
                <Boundary>
                  <Stale />
                </Boundary>
              )}
              <Recent experiments={experiments.data?.experiments ?? []} />
              <Views experiments={experiments.data?.experiments ?? []} />
            </div>
          </div>
        )}
      </div>
    </div>
  );
}

function Panel({ id, title, count, children }: { id: string; title: string; count?: number | undefined; children: ReactNode }) {
  return (
    <section className="panel" aria-labelledby={`home-${id}`}>
      <header>
        <h2 id={`home-${id}`}>{title}</h2>
        {count !== undefined && count > 0 && <span className="count">{whole(count)}</span>}
      </header>
      {children}
    </section>
  );
}

function Failed() {
  const query = useQuery(failedQuery());
  const runs = query.data?.runs ?? [];
  const errors = query.data?.columns['tags.headrace.error'] ?? [];
  return (
    <Panel id="failed" title="Failed in 24 hours" count={query.data?.total ?? undefined}>
      {query.isPending && <Skeleton />}
      {query.isError && query.data === undefined && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.data !== undefined && runs.length === 0 && <p className="home-none">No run failed.</p>}
      <ul className="lines">
        {runs.map((run, index) => (
          <RunLine key={run.id} run={run} more={lastLine(errors[index]) || run.experiment}>
            <Ago time={run.end} />
          </RunLine>
        ))}
      </ul>
    </Panel>
  );
}

function Finished() {
  const query = useQuery(finishedQuery());
  const runs = query.data?.runs ?? [];
  if (query.data !== undefined && runs.length === 0) return null;
  return (
    <Panel id="finished" title="Finished last">
      {query.isPending && <Skeleton lines={4} />}
      {query.isError && query.data === undefined && <Failure error={query.error} retry={() => void query.refetch()} />}
      <ul className="lines">
        {runs.map((run) => (
          <RunLine key={run.id} run={run} more={run.experiment}>
            <Lasted run={run} /> · <Ago time={run.end} />
          </RunLine>
        ))}
      </ul>
    </Panel>
  );
}

/** A run that has ended: its name over what there is to say of it, and when that was. */
function RunLine({ run, more, children }: { run: Schemas['RunHead']; more: string; children: ReactNode }) {
  return (
    <li>
      <State state={run.state} bare />
      <span className="grow">
        <Link to="/runs/$run" params={{ run: run.id }} className="item-name home-name" title={run.name}>
          {run.name}
        </Link>
        <span className="lines-more quiet" title={more}>
          {more}
        </span>
      </span>
      <span className="quiet home-when">{children}</span>
    </li>
  );
}

/** Of a traceback, what it comes to. */
function lastLine(error: unknown): string {
  return typeof error === 'string' ? (error.trimEnd().split('\n').at(-1) ?? '') : '';
}

function Requests() {
  const query = useQuery(openRequestsQuery());
  const requests = query.data?.requests ?? [];
  if (query.data !== undefined && requests.length === 0) return null;
  return (
    <Panel id="requests" title="Awaiting approval" count={requests.length}>
      {query.isPending && <Skeleton lines={2} />}
      {query.isError && query.data === undefined && <Failure error={query.error} retry={() => void query.refetch()} />}
      <ul className="lines">
        {requests.map((request) => (
          <li key={request.id}>
            <Icon name="shield" size={15} />
            <span className="grow">
              <Link to="/models/$name/$version" params={{ name: request.name, version: String(request.version) }} className="item-name home-name">
                {request.name} v{request.version} → {request.stage}
              </Link>
              <span className="lines-more quiet" title={request.reason}>
                {request.user} asks{request.reason === '' ? '' : `: ${request.reason}`}
              </span>
            </span>
            <span className="quiet home-when">
              <Ago time={request.created} />
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

/** Versions in Staging that are newer than the champion. */
function Waiting({ models }: { models: readonly Model[] | undefined }) {
  const waiting = (models ?? []).flatMap((model) => model.versions.filter((version) => version.stage === 'Staging' && version.version > (model.champion ?? 0)).map((version) => ({ model, version })));
  return (
    <Panel id="waiting" title="Waiting in Staging" count={waiting.length}>
      {models === undefined && <Skeleton lines={2} />}
      {models !== undefined && waiting.length === 0 && <p className="home-none">No version waits for a decision.</p>}
      <ul className="lines">
        {waiting.map(({ model, version }) => (
          <Candidate key={`${model.name} ${version.version}`} model={model} version={version} />
        ))}
      </ul>
    </Panel>
  );
}

function Candidate({ model, version }: { model: Model; version: Version }) {
  return (
    <li>
      <Icon name="box" size={15} />
      <span className="grow">
        <Link to="/models/$name/$version" params={{ name: model.name, version: String(version.version) }} className="item-name home-name">
          {model.name} v{version.version}
        </Link>
        <span className="lines-more quiet">{model.champion === null ? 'nothing is in Production' : `v${model.champion} is in Production`}</span>
      </span>
      <span className="quiet">
        <Ago time={version.created} />
      </span>
    </li>
  );
}

/** What to say of feature groups of which none is stale: one without a limit never is. */
function allFresh(groups: readonly { limit: number | null }[]): string {
  const limited = groups.filter((group) => group.limit !== null).length;
  const without = groups.length - limited;
  const how = 'FeatureGroup(…, freshness="1d") says how old values may become.';
  if (limited === 0) return without === 1 ? `The one group declares no limit: ${how}` : `None of the ${whole(without)} groups declares a limit: ${how}`;
  const within = limited === 1 ? 'The one group with a limit is within it.' : `All ${whole(limited)} groups with a limit are within it.`;
  return without === 0 ? within : `${within} ${whole(without)} declare none.`;
}

function Stale() {
  const query = useQuery(freshnessQuery());
  const stale = Object.values(query.data ?? {}).filter((group) => group.stale);
  const all = Object.keys(query.data ?? {}).length;
  if (query.data !== undefined && all === 0) return null;
  return (
    <Panel id="stale" title="Stale feature groups" count={stale.length}>
      {query.isPending && <Skeleton lines={2} />}
      {query.isError && query.data === undefined && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.data !== undefined && stale.length === 0 && <p className="home-none">{allFresh(Object.values(query.data))}</p>}
      <ul className="lines">
        {stale.map((group) => (
          <li key={group.group}>
            <Icon name="clock" size={15} />
            <span className="grow">
              <Link to="/features/$kind/$name" params={{ kind: 'group', name: group.group.split(':')[0] ?? group.group }} className="item-name home-name">
                {group.group}
              </Link>
              <span className="lines-more quiet">{lateness(group)}</span>
            </span>
            {group.waiting && <Chip tone="warn" title="Batch rows that materialize hasn’t brought online">rows wait</Chip>}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function lateness(group: Fresh): string {
  const limit = `its limit is ${duration(group.limit)}`;
  return group.age === null ? `no online value yet; ${limit}` : `${duration(group.age)} old; ${limit}`;
}

function Recent({ experiments }: { experiments: readonly Schemas['Experiment'][] }) {
  const recent = experiments.filter((item) => item.runs > 0).slice(0, 6);
  if (recent.length === 0) return null;
  return (
    <Panel id="recent" title="Newest experiments">
      <ul className="lines">
        {recent.map((item) => (
          <li key={item.id}>
            <Icon name="flask" size={15} />
            <Link to="/experiments/$experiments" params={{ experiments: item.id }} className="item-name home-name grow" title={item.name}>
              {item.name}
            </Link>
            <span className="quiet home-when">
              {plural(item.runs, 'run')} · <Ago time={item.latest} />
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function Views({ experiments }: { experiments: readonly Schemas['Experiment'][] }) {
  const [own] = useState(allViews);
  const views = [...sharedViews(experiments).map((view) => ({ experiments: view.of, view, key: view.tag })), ...own.map((one) => ({ ...one, key: `${one.experiments} ${one.view.name}` }))];
  const name = (ids: string) => ids.split(',').map((id) => experiments.find((item) => item.id === id)?.name ?? `Experiment ${id}`).join(', ');
  return (
    <Panel id="views" title="Saved views" count={views.length}>
      {views.length === 0 && <p className="home-none">Save a filter with its columns and charts under Views on an experiment; it is listed here.</p>}
      <ul className="lines">
        {views.map(({ experiments: ids, view, key }) => (
          <li key={key}>
            <Icon name="save" size={15} />
            <span className="grow">
              <Link to="/experiments/$experiments" params={{ experiments: ids }} search={view.search as object} className="item-name home-name">
                {view.name}
              </Link>
              <span className="lines-more quiet">{name(ids)}</span>
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
