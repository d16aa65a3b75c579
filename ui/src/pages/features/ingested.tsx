/** When rows of a source came in, how many, and how many of their values were null. */
import { useQuery } from '@tanstack/react-query';
import { statisticsQuery } from '@/api/features';
import type { Schemas } from '@/api/client';
import { DataTable, type DataColumn } from '@/shared/table/data-table';
import { whole } from '@/shared/ui/format';
import { Ago } from '@/shared/ui/marks';

type Ingest = Schemas['Statistics'];

const MOST = 10;
const HOW: Record<string, string> = { write: 'written', stream: 'pushed' };

const COLUMNS: DataColumn<Ingest>[] = [
  { id: 'at', title: 'When', sort: (item) => item.at, cell: (item) => <Ago time={item.at} /> },
  { id: 'kind', title: 'How', cell: (item) => HOW[item.kind] ?? item.kind },
  { id: 'rows', title: 'Rows', number: true, sort: (item) => item.rows, cell: (item) => whole(item.rows) },
  { id: 'nulls', title: 'Nulls', number: true, sort: nullsOf, cell: (item) => whole(nullsOf(item)) },
];

function nullsOf(item: Ingest): number {
  return Object.values(item.columns).reduce((sum, column) => sum + column.nulls, 0);
}

export function Ingested({ source }: { source: string }) {
  const query = useQuery(statisticsQuery(source));
  const all = query.data?.history ?? [];
  if (all.length === 0) return null;
  return (
    <section className="panel" aria-label="Ingested">
      <header>
        <h2 className="grow">Ingested into {source}</h2>
        {all.length > MOST && <span className="quiet">the newest {MOST} that are kept</span>}
      </header>
      <DataTable label="Ingested" columns={COLUMNS} rows={all.slice(0, MOST)} id={(item) => `${item.at} ${item.kind}`} empty="" />
    </section>
  );
}
