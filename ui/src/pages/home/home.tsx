/** What needs a look: what runs, what failed, what waits, what is stale. */
import './home.css';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo, useState, type ReactNode } from 'react';
import { freshnessQuery } from '@/api/features';
import { modelsQuery } from '@/api/models';
import { experimentsQuery, tableQuery } from '@/api/queries';
import { Boundary, Empty, Failure, Skeleton, Snippet } from '@/shared/ui/feedback';
import { duration } from '@/shared/ui/format';
import { Icon, type IconName } from '@/shared/ui/icon';
import { Ago, Chip, Count, Lasted, State } from '@/shared/ui/marks';

const DAY = 86_400_000;

export function HomePage() {
  const experiments = useQuery(experimentsQuery());
  const models = useQuery(modelsQuery());
  const empty = experiments.data?.experiments.every((item) => item.runs === 0) === true && models.data?.models.length === 0;
  return (
    <div className="page">
      <header className="page-head">
        <h1>Home</h1>
      </header>
      <div className="page-body">
        {empty ? (
          <Welcome />
        ) : (
          <div className="home">
            <Runs title="Running now" icon="play" filter="status = 'RUNNING'" none="Nothing runs at the moment." />
            <Failed />
            <Waiting />
            <Stale />
            <Recent />
          </div>
        )}
      </div>
    </div>
  );
}

function Panel({ title, icon, count, children }: { title: string; icon: IconName; count?: number | undefined; children: ReactNode }) {
  return (
    <section className="panel">
      <header>
        <Icon name={icon} size={15} />
        <h2 className="grow">{title}</h2>
        {count !== undefined && <Count value={count} />}
      </header>
      <Boundary>{children}</Boundary>
    </section>
  );
}

function Runs({ title, icon, filter, none }: { title: string; icon: IconName; filter: string; none: string }) {
  const query = useQuery(tableQuery({ filter, limit: 8, view: 'active', offset: 0 }));
  const experiments = useQuery(experimentsQuery());
  const named = new Map(experiments.data?.experiments.map((item) => [item.id, item.name]));
  return (
    <Panel title={title} icon={icon} count={query.data?.total}>
      {query.isPending && <Skeleton />}
      {query.isError && query.data === undefined && <Failure error={query.error} retry={() => void query.refetch()} />}
      <ul className="lines">
        {query.data?.runs.map((run) => (
          <li key={run.id}>
            <State state={run.status} bare />
            <Link to="/runs/$run" params={{ run: run.id }} className="grow cut home-name">
              {run.name}
            </Link>
            <span className="quiet cut">{named.get(run.experiment_id)}</span>
            <span className="quiet home-time">{run.status === 'RUNNING' ? <Lasted run={run} /> : <Ago time={run.end} />}</span>
          </li>
        ))}
        {query.data?.total === 0 && <li className="quiet">{none}</li>}
      </ul>
    </Panel>
  );
}

function Failed() {
  const [since] = useState(() => Math.floor((Date.now() - DAY) / 60_000) * 60_000);
  return <Runs title="Failed in 24 hours" icon="alert" filter={`status = 'FAILED' and end_time > ${since}`} none="None." />;
}

function Waiting() {
  const query = useQuery(modelsQuery());
  const waiting = useMemo(() => (query.data?.models ?? []).flatMap((model) => model.versions.filter((version) => version.stage === 'Staging').map((version) => ({ model, version }))), [query.data]);
  return (
    <Panel title="Waiting for promotion" icon="box" count={query.data === undefined ? undefined : waiting.length}>
      {query.isPending && <Skeleton />}
      {query.isError && query.data === undefined && <Failure error={query.error} retry={() => void query.refetch()} />}
      <ul className="lines">
        {waiting.slice(0, 8).map(({ model, version }) => (
          <li key={`${model.name} ${version.version}`}>
            <Icon name="box" size={15} />
            <Link to="/models/$name/$version" params={{ name: model.name, version: String(version.version) }} className="grow cut home-name">
              {model.name} v{version.version}
            </Link>
            <span className="quiet home-time">
              <Ago time={version.created} />
            </span>
          </li>
        ))}
        {query.data !== undefined && waiting.length === 0 && <li className="quiet">No version is in Staging.</li>}
      </ul>
    </Panel>
  );
}

function Stale() {
  const query = useQuery(freshnessQuery());
  const stale = Object.values(query.data ?? {}).filter((fresh) => fresh.stale || fresh.waiting);
  return (
    <Panel title="Stale feature groups" icon="layers" count={query.data === undefined ? undefined : stale.length}>
      {query.isPending && <Skeleton />}
      {query.isError && query.data === undefined && <Failure error={query.error} retry={() => void query.refetch()} />}
      <ul className="lines">
        {stale.slice(0, 8).map((fresh) => (
          <li key={fresh.group}>
            <Icon name="layers" size={15} />
            <Link to="/features/$kind/$name" params={{ kind: 'group', name: fresh.group.split(':')[0] ?? fresh.group }} className="grow cut home-name">
              {fresh.group}
            </Link>
            <Chip tone={fresh.stale ? 'bad' : 'warn'}>{fresh.stale ? 'stale' : 'rows wait'}</Chip>
            <span className="quiet home-time">{fresh.age === null ? 'empty' : duration(fresh.age)}</span>
          </li>
        ))}
        {query.data !== undefined && stale.length === 0 && <li className="quiet">Every group is up to date.</li>}
      </ul>
    </Panel>
  );
}

function Recent() {
  const query = useQuery(experimentsQuery());
  const recent = (query.data?.experiments ?? []).filter((item) => item.runs > 0).slice(0, 8);
  return (
    <Panel title="Experiments" icon="flask">
      <ul className="lines">
        {recent.map((item) => (
          <li key={item.id}>
            <Icon name="flask" size={15} />
            <Link to="/experiments/$experiments" params={{ experiments: item.id }} className="grow cut home-name">
              {item.name}
            </Link>
            <Count value={item.runs} />
            <span className="quiet home-time">
              <Ago time={item.latest} />
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function Welcome() {
  return (
    <Empty icon="bolt" title="From features to predictions, on one line">
      <p>Log a run to this server, and it appears here while it goes on:</p>
      <Snippet text={`import headrace as hr\n\nstore = hr.connect("${location.origin}")\nwith store.start_run(experiment="first", params={"depth": 6}) as run:\n    run.log_metrics({"loss": 0.5}, step=1)`} />
      <p>Or look at a whole project with real data:</p>
      <Snippet text="headrace demo demo/ && headrace -C demo/ server" />
    </Empty>
  );
}
