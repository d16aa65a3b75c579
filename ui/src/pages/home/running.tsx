/** What runs now: how it goes, how far it is, and whose it is. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { Schemas } from '@/api/client';
import type { Points } from '@/api/curves';
import { runningQuery } from '@/api/home';
import { curvesQuery, runsQuery } from '@/api/queries';
import { Failure, Skeleton } from '@/shared/ui/feedback';
import { duration, number, whole } from '@/shared/ui/format';
import { Icon } from '@/shared/ui/icon';
import { Lasted, State, useNow } from '@/shared/ui/marks';
import { Sparkline } from './sparkline';
import { progressOf, toldMetric } from './progress';

const BUCKETS = 100;

export function Running() {
  const query = useQuery(runningQuery());
  const heads = query.data?.runs ?? [];
  const runs = useQuery(runsQuery(heads.map((run) => run.id)));
  const shown = heads.map((head) => runs.data?.runs.find((run) => run.id === head.id));
  const told = shown.map((run) => (run === undefined ? null : toldMetric(run)));
  const drawn = shown.flatMap((run, index) => (run === undefined || told[index] === null ? [] : [run.id]));
  const keys = [...new Set(told.filter((key) => key !== null))].sort();
  const curves = useQuery(curvesQuery({ runs: drawn, keys, width: BUCKETS, axis: 'step' }));
  const total = query.data?.total ?? 0;
  return (
    <section className="panel" aria-labelledby="home-running">
      <header>
        <h2 id="home-running">Running now</h2>
        {total > 0 && <span className="count">{whole(total)}</span>}
      </header>
      {query.isPending && <Skeleton />}
      {query.isError && query.data === undefined && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.data !== undefined && heads.length === 0 && <p className="home-none">Nothing runs now.</p>}
      <ul className="home-runs">
        {heads.map((head, index) => (
          <Row key={head.id} head={head} run={shown[index]} metric={told[index] ?? null} points={curves.data?.find((one) => one.run === head.id && one.key === told[index])} />
        ))}
      </ul>
      {total > heads.length && <p className="home-more">{whole(total - heads.length)} more run, too; these are the newest.</p>}
    </section>
  );
}

interface RowProps {
  head: Schemas['RunHead'];
  run: Schemas['Run'] | undefined;
  metric: string | null;
  points: Points | undefined;
}

function Row({ head, run, metric, points }: RowProps) {
  const now = useNow(true);
  const progress = run === undefined ? null : progressOf(run, now);
  const value = metric === null ? undefined : run?.metrics[metric]?.value;
  return (
    <li className="home-run">
      <div className="home-run-name">
        <div className="row">
          <State state={head.state} bare />
          <Link to="/runs/$run" params={{ run: head.id }} className="item-name cut" title={head.name}>
            {head.name}
          </Link>
        </div>
        <div className="row quiet home-run-facts">
          <Link to="/experiments/$experiments" params={{ experiments: head.experiment_id }} className="cut" title={head.experiment}>
            {head.experiment}
          </Link>
          {head.user !== '' && (
            <span className="row home-user" title={head.user}>
              <Icon name="user" size={12} />
              <span className="cut">{head.user}</span>
            </span>
          )}
        </div>
      </div>
      <div className="home-run-curve">
        <Sparkline points={points} label={`${metric ?? 'No metric'} so far`} />
        <div className="home-run-value">
          <b>{value === undefined ? '–' : number(value)}</b>
          <span className="quiet cut" title={metric ?? undefined}>{metric ?? 'no points yet'}</span>
        </div>
      </div>
      <div className="home-run-time">
        <span>
          <Lasted run={head} />
          {progress?.left !== null && progress?.left !== undefined && <span className="quiet"> · {duration(Math.max(1, progress.left))} left</span>}
        </span>
        {progress !== null && <progress max={1} value={progress.part} aria-label={`How far ${head.name} is`} />}
      </div>
    </li>
  );
}
