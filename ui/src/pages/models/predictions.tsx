/** What a version predicted lately, what came of it, and the way back to what each answer was made from. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { predictionsQuery, type Prediction } from '@/api/models';
import { DataTable, type DataColumn } from '@/shared/table/data-table';
import { Failure, Skeleton } from '@/shared/ui/feedback';
import { number, whole } from '@/shared/ui/format';
import { Ago, Chip } from '@/shared/ui/marks';
import { qualityOf } from './live-quality';

const MOST = 20;

const told = (value: unknown) => (value === null || value === undefined ? '–' : typeof value === 'number' ? number(value) : typeof value === 'string' ? value : JSON.stringify(value));

const COLUMNS: DataColumn<Prediction>[] = [
  { id: 'time', title: 'When', cell: (item) => <Ago time={item.time} /> },
  {
    id: 'request',
    title: 'Request',
    cell: (item) => (
      <Link to="/lineage/$" params={{ _splat: `prediction:${item.request}` }} className="link mono prediction-request" title={`What made the answer to ${item.request}`}>
        {item.request.slice(0, 18)}
      </Link>
    ),
  },
  { id: 'keys', title: 'Entity', grow: true, cell: (item) => <span className="prediction-keys">{Object.entries(item.keys).map(([key, value]) => `${key} ${told(value)}`).join(', ') || `row ${item.row}`}</span> },
  { id: 'prediction', title: 'Prediction', number: true, cell: (item) => <b>{told(item.prediction)}</b> },
  { id: 'outcome', title: 'Outcome', number: true, cell: (item) => <span className={item.outcome === null ? 'quiet' : undefined}>{told(item.outcome)}</span> },
  { id: 'role', title: 'Role', cell: (item) => <Chip tone={item.role === 'main' ? 'ok' : 'quiet'}>{item.role}</Chip> },
  { id: 'latency', title: 'Latency', number: true, cell: (item) => `${number(item.latency_ms, 3)} ms` },
];

export function Predictions({ name, version }: { name: string; version: number }) {
  const query = useQuery(predictionsQuery(name, version));
  const rows = query.data ?? [];
  const quality = qualityOf(rows);
  return (
    <section className="panel" aria-label="Predictions">
      <header>
        <h2 className="grow">Predictions</h2>
        {rows.length > 0 && <span className="quiet">the newest {whole(rows.length)}</span>}
      </header>
      {query.isPending && <Skeleton lines={2} />}
      {query.isError && query.data === undefined && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.data?.length === 0 && <p className="panel-body quiet">It has served nothing yet. Its answers are kept and shown here, with the outcomes, once a server of models gives them.</p>}
      {rows.length > 0 && (
        <>
          <dl className="figures panel-body">
            <Figure name="outcome known" value={`${whole(quality.known)} of ${whole(quality.rows)}`} />
            {quality.right !== null && <Figure name="correct" value={`${number(quality.right * 100, 3)}%`} />}
            {quality.error !== null && <Figure name="mean error" value={number(quality.error)} />}
            <Figure name="median latency" value={`${number(quality.median, 3)} ms`} />
            <Figure name="95th percentile" value={`${number(quality.slowest, 3)} ms`} />
          </dl>
          <DataTable label="Newest predictions" columns={COLUMNS} rows={rows.slice(0, MOST)} id={(item) => `${item.request} ${item.row} ${item.role} ${item.uri}`} empty="" />
        </>
      )}
    </section>
  );
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt className="cut" title={name}>
        {name}
      </dt>
      <dd>{value}</dd>
    </div>
  );
}
