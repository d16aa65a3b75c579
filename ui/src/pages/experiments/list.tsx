/** All experiments. */
import './experiments.css';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useDeferredValue, useRef, useState } from 'react';
import type { Schemas } from '@/api/client';
import { experimentsQuery } from '@/api/queries';
import { useKeys } from '@/shared/keys';
import { DataTable, type DataColumn } from '@/shared/table/data-table';
import { Input } from '@/shared/ui/controls';
import { Empty, Failure, Skeleton, Snippet } from '@/shared/ui/feedback';
import { plural, whole } from '@/shared/ui/format';
import { Ago, Chip } from '@/shared/ui/marks';

type Experiment = Schemas['Experiment'];

const COLUMNS: DataColumn<Experiment>[] = [
  {
    id: 'name',
    title: 'Experiment',
    sort: (item) => item.name.toLowerCase(),
    cell: (item) => (
      <Link to="/experiments/$experiments" params={{ experiments: item.id }} className="item-name">
        {item.name}
      </Link>
    ),
    grow: true,
  },
  { id: 'running', title: 'Running', sort: (item) => item.running, cell: (item) => item.running > 0 && <Chip tone="live">{whole(item.running)} running</Chip> },
  { id: 'failed', title: 'Failed', sort: (item) => item.failed, cell: (item) => item.failed > 0 && <Chip tone="bad">{whole(item.failed)} failed</Chip> },
  { id: 'runs', title: 'Runs', number: true, sort: (item) => item.runs, cell: (item) => whole(item.runs) },
  { id: 'latest', title: 'Newest run', number: true, sort: (item) => item.latest ?? '', cell: (item) => <Ago time={item.latest} /> },
];

export function ExperimentList() {
  const query = useQuery(experimentsQuery());
  const [text, setText] = useState('');
  const wanted = useDeferredValue(text.toLowerCase());
  const field = useRef<HTMLInputElement>(null);
  useKeys({ '/': () => field.current?.focus() });
  const all = (query.data?.experiments ?? []).filter((item) => item.runs > 0 || item.name !== 'Default');
  const shown = all.filter((item) => item.name.toLowerCase().includes(wanted));
  return (
    <div className="page">
      <header className="page-head">
        <h1>Experiments</h1>
        <span className="count grow">{query.data !== undefined && plural(all.length, 'experiment')}</span>
        {all.length > 0 && <Input ref={field} icon="search" placeholder="Find" aria-label="Find an experiment" value={text} onChange={(event) => setText(event.target.value)} />}
      </header>
      <div className="page-body">
        {query.isPending && <Skeleton lines={6} />}
        {query.isError && query.data === undefined && <Failure error={query.error} retry={() => void query.refetch()} />}
        {query.data !== undefined && all.length === 0 && <NoRuns />}
        {all.length > 0 && (
          <div className="panel">
            <DataTable label="Experiments" columns={COLUMNS} rows={shown} id={(item) => item.id} empty="No experiment of that name." />
          </div>
        )}
      </div>
    </div>
  );
}

/** What to do first, with this server's own address. */
function NoRuns() {
  const code = `import headrace as hr

store = hr.connect("${location.origin}")
with store.start_run(experiment="first", params={"depth": 6}) as run:
    for step in range(100):
        run.log_metrics({"loss": 1 / (step + 1)}, step=step)`;
  return (
    <Empty icon="flask" title="Log the first run">
      <p>It appears here while it goes on. MLflow’s clients work too: give them this server’s address as tracking URI.</p>
      <Snippet text={code} />
      <Snippet text={`export MLFLOW_TRACKING_URI=${location.origin}`} />
    </Empty>
  );
}
