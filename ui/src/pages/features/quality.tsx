/** What is expected of a group's values and of the rows of its source, and how each expectation fares. */
import { useQuery } from '@tanstack/react-query';
import { qualityQuery, type Check } from '@/api/features';
import { DataTable, type DataColumn } from '@/shared/table/data-table';
import { Failure, Skeleton } from '@/shared/ui/feedback';
import { whole } from '@/shared/ui/format';
import { Ago, Chip } from '@/shared/ui/marks';
import { checksOf, fares } from './checks';

const DOES: Record<Check['outcome'], string> = {
  rejected: 'else the write is refused',
  quarantined: 'others are set aside',
  feature: 'samples of what is online',
};

const COLUMNS: DataColumn<Check>[] = [
  { id: 'expectation', title: 'Expected', sort: (check) => check.expectation, cell: (check) => <span className="expectation">{check.expectation}</span> },
  {
    id: 'subject',
    title: 'Of',
    sort: (check) => check.subject,
    cell: (check) => (
      <span className="expectation-of">
        {check.outcome === 'feature' ? 'its values' : `rows of ${check.subject.slice('source:'.length)}`}
        <span className="quiet lines-more">{DOES[check.outcome]}</span>
      </span>
    ),
  },
  {
    id: 'fares',
    title: 'Now',
    sort: (check) => check.broken,
    cell: (check) => {
      const [tone, text] = fares(check);
      return <Chip tone={tone}>{text}</Chip>;
    },
  },
  { id: 'example', title: 'Broken by', cell: (check) => (check.example === null || check.example === '' ? <span className="quiet">–</span> : <code className="cut expectation-of" title={check.example}>{check.example}</code>) },
  { id: 'at', title: 'When', number: true, sort: (check) => check.at ?? '', cell: (check) => <Ago time={check.at} /> },
];

export function Expectations({ group, source }: { group: string; source: string | null }) {
  const query = useQuery(qualityQuery());
  const checks = checksOf(query.data ?? [], group, source);
  const alerts = checks.filter((check) => check.outcome === 'feature' && check.broken > 0).length;
  return (
    <section className="panel" aria-label="Expectations">
      <header>
        <h2 className="grow">Expectations</h2>
        {alerts > 0 && <Chip tone="bad">{whole(alerts)} broken online</Chip>}
      </header>
      {query.isPending && <Skeleton lines={2} />}
      {query.isError && query.data === undefined && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.data !== undefined && checks.length === 0 && (
        <p className="panel-body quiet">
          None are declared. <code>expect=[hr.expect.not_null(…)]</code> on the source keeps bad rows out; on the group it watches the values that are online.
        </p>
      )}
      {checks.length > 0 && <DataTable label="Expectations" columns={COLUMNS} rows={checks} id={(check) => `${check.subject} ${check.expectation} ${check.outcome}`} empty="" />}
      {checks.some((check) => check.outcome === 'quarantined' && check.broken > 0) && (
        <p className="panel-body quiet">
          Rows that were set aside, with the reasons: <code>headrace features quarantine {source}</code>
        </p>
      )}
    </section>
  );
}
