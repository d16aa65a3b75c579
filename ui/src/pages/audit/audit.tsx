/** Who did what to which model, when and why. */
import './audit.css';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useDeferredValue, useMemo, useRef } from 'react';
import { auditQuery, checkedAuditQuery, entriesOf, type AuditEntry as Entry } from '@/api/models';
import { cell, saveAs } from '@/shared/chart/save';
import { useKeys } from '@/shared/keys';
import { DataTable, type DataColumn } from '@/shared/table/data-table';
import { Button, Input, Select } from '@/shared/ui/controls';
import { Empty, Failure, Skeleton } from '@/shared/ui/feedback';
import { plural } from '@/shared/ui/format';
import { Ago, Chip } from '@/shared/ui/marks';
import { readAuditSearch, type AuditSearch } from './search';

/** Digits of a hash that name an entry. */
const LINK = 12;

const COLUMNS: DataColumn<Entry>[] = [
  { id: 'time', title: 'When', sort: (entry) => entry.time, cell: (entry) => <Ago time={entry.time} /> },
  { id: 'user', title: 'Who', sort: (entry) => entry.user, cell: (entry) => (
    <Link to="/audit" search={{ user: entry.user }} className="audit-user" title={`What ${entry.user} did`}>
      {entry.user}
    </Link>
  ) },
  { id: 'origin', title: 'From', sort: (entry) => entry.origin, cell: (entry) => (entry.origin === '' ? <span className="quiet" title="Done in the project itself, or before the trail kept it">–</span> : <span className="mono audit-origin" title="The address that asked the server">{entry.origin}</span>) },
  {
    id: 'action',
    title: 'What',
    sort: (entry) => entry.action,
    cell: (entry) => (
      <span className="row">
        <Chip tone={entry.action === 'refuse' || entry.report?.forced === true ? 'bad' : entry.action === 'promote' ? 'ok' : 'quiet'}>{entry.action}</Chip>
        {entry.report?.forced === true && <Chip tone="bad">against a gate</Chip>}
      </span>
    ),
  },
  {
    id: 'subject',
    title: 'Model',
    sort: (entry) => entry.subject,
    cell: (entry) => (
      <Link to="/models/$name" params={{ name: entry.subject }} className="link audit-subject">
        {entry.subject}
        {entry.version !== null && ` v${entry.version}`}
      </Link>
    ),
  },
  { id: 'change', title: 'Before → after', grow: true, cell: (entry) => <Change before={entry.before} after={entry.after} /> },
  { id: 'reason', title: 'Why', cell: (entry) => (entry.reason === '' ? <span className="quiet">–</span> : <span className="audit-reason">{entry.reason}</span>) },
  { id: 'hash', title: 'Entry', cell: (entry) => (
    <Link to="/audit" search={{ entry: entry.hash.slice(0, LINK) }} className="quiet mono" title={`A link to this entry; its hash is ${entry.hash}`}>
      {entry.hash.slice(0, 8)}
    </Link>
  ) },
];

function Change({ before, after }: { before: Record<string, unknown>; after: Record<string, unknown> }) {
  const lines = linesOf(before, after);
  if (lines.length === 0) return <span className="quiet">–</span>;
  return (
    <ul className="audit-change">
      {lines.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}

/** A value in a line; of a list of things, what each says of itself: gates, as `metric auc, at_least 0.7`. */
function shown(value: unknown): string {
  if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) return 'none';
  if (typeof value === 'string') return value;
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'object' && item !== null)) return JSON.stringify(value);
  const told = (item: object) =>
    Object.entries(item)
      .filter(([, part]) => part !== null && part !== false && part !== '')
      .map(([key, part]) => `${key} ${typeof part === 'string' ? part : JSON.stringify(part)}`)
      .join(', ');
  return value.map((item) => told(item as object)).join('; ');
}

/** What changed, a line each: `v2: Staging → Production`, `@champion: 1 → 2`. */
export function linesOf(before: Record<string, unknown>, after: Record<string, unknown>): string[] {
  const part = (value: unknown) => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {});
  const lines: string[] = [];
  for (const kind of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (kind !== 'stages' && kind !== 'aliases') {
      const [was, is] = [shown(before[kind]), shown(after[kind])];
      if (was !== is) lines.push(`${kind}: ${was} → ${is}`.slice(0, 200));
      continue;
    }
    const [was, is] = [part(before[kind]), part(after[kind])];
    for (const name of new Set([...Object.keys(was), ...Object.keys(is)])) {
      if (shown(was[name]) !== shown(is[name])) lines.push(`${kind === 'stages' ? 'v' : '@'}${name}: ${shown(was[name])} → ${shown(is[name])}`);
    }
  }
  return lines;
}

/** Whether an entry is one of those that the address asks for. */
export function fits(entry: Entry, { q = '', action, user, days, entry: link }: AuditSearch, now = Date.now()): boolean {
  const wanted = q.toLowerCase();
  return (
    (link === undefined || entry.hash.startsWith(link)) &&
    (action === undefined || entry.action === action) &&
    (user === undefined || entry.user === user) &&
    (days === undefined || now - Date.parse(entry.time) <= Number(days) * 86_400_000) &&
    [entry.user, entry.origin, entry.subject, entry.reason, entry.action, ...linesOf(entry.before, entry.after)].some((part) => part.toLowerCase().includes(wanted))
  );
}

/** Recomputes the chain of hashes on the server, and tells in words what it finds. */
function Verify() {
  const query = useQuery(checkedAuditQuery());
  const wrong = (query.data ?? []).filter((item) => item.fault !== '');
  const entries = (query.data ?? []).reduce((sum, item) => sum + item.entries, 0);
  return (
    <>
      {query.data !== undefined && !query.isFetching && (
        <Chip tone={wrong.length === 0 ? 'ok' : 'bad'} title={wrong.map((item) => `${item.subject}: ${item.fault}`).join('\n') || 'Every hash follows from the one before, and how things stand follows from the entries'}>
          {wrong.length === 0 ? `${plural(entries, 'entry', 'entries')} whole` : `changed past the registry: ${wrong.map((item) => item.subject).join(', ')}`}
        </Chip>
      )}
      {query.isError && <Chip tone="bad" title={query.error.message}>could not be checked</Chip>}
      <Button icon="shield" busy={query.isFetching} onClick={() => void query.refetch()}>
        Verify
      </Button>
    </>
  );
}

const SPANS = [
  { value: '', label: 'Whenever' },
  { value: '1', label: 'Within a day' },
  { value: '7', label: 'Within a week' },
  { value: '30', label: 'Within 30 days' },
];

export function AuditPage() {
  const search = useSearch({ from: '/audit' });
  const navigate = useNavigate({ from: '/audit' });
  const change = (part: AuditSearch) => void navigate({ search: (now) => readAuditSearch({ ...now, ...part }), replace: true });
  const query = useInfiniteQuery(auditQuery(search.user));
  const field = useRef<HTMLInputElement>(null);
  useKeys({ '/': () => field.current?.focus() });
  const all = useMemo(() => entriesOf(query.data?.pages ?? []), [query.data]);
  const asked = useDeferredValue(search);
  const shown = useMemo(() => all.filter((entry) => fits(entry, asked)), [all, asked]);
  const filtered = Object.keys(search).length > 0;
  const actions = [...new Set([...all.map((entry) => entry.action), ...(search.action === undefined ? [] : [search.action])])].sort();
  const save = () => {
    const lines = shown.map((entry) => [entry.time, entry.user, entry.origin, entry.action, entry.subject, entry.version ?? '', linesOf(entry.before, entry.after).join('; '), entry.reason, entry.hash].map((part) => cell(String(part))).join(','));
    saveAs(new Blob([`time,user,from,action,model,version,change,reason,hash\n${lines.join('\n')}\n`], { type: 'text/csv' }), 'audit.csv');
  };
  return (
    <div className="page">
      <header className="page-head">
        <h1>Audit</h1>
        <span className="count grow">{query.data !== undefined && plural(shown.length, 'entry', 'entries')}</span>
        {(all.length > 0 || filtered) && (
          <>
            {filtered && (
              <Button tone="quiet" icon="close" onClick={() => void navigate({ search: {} })}>
                {search.entry !== undefined ? 'One entry' : search.user !== undefined ? `By ${search.user}` : 'Filtered'}
              </Button>
            )}
            <Select label="When" value={search.days ?? ''} options={SPANS} onChange={(days) => change({ days })} />
            <Select label="Action" value={search.action ?? ''} options={[{ value: '', label: 'Every action' }, ...actions.map((name) => ({ value: name, label: name }))]} onChange={(action) => change({ action })} />
            <Input ref={field} icon="search" placeholder="Who, what or why" aria-label="Find in the audit" value={search.q ?? ''} onChange={(event) => change({ q: event.target.value })} />
            <Button icon="download" onClick={save}>
              CSV
            </Button>
            <Verify />
          </>
        )}
      </header>
      <div className="page-body">
        {query.isPending && <Skeleton lines={6} />}
        {query.isError && query.data === undefined && <Failure error={query.error} retry={() => void query.refetch()} />}
        {query.data !== undefined && all.length === 0 && !filtered && (
          <Empty icon="shield" title="No entries yet">
            <p>What is done to registered models is kept here: who, when, why, and with which figures. Entries are only ever added, each with the hash of the one before.</p>
            <Link to="/models" className="button">
              Models
            </Link>
          </Empty>
        )}
        {query.data !== undefined && (all.length > 0 || filtered) && (
          <div className="panel">
            <DataTable label="Audit" columns={COLUMNS} rows={shown} id={(entry) => `${entry.subject} ${entry.seq}`} empty="No entry fits." />
          </div>
        )}
        {query.hasNextPage && (
          <div className="audit-older">
            <Button busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
              Show older entries
            </Button>
          </div>
        )}
      </div>
    </div>
  );
}
