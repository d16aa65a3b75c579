/** The catalog: groups and views, how fresh they are, who reads them. */
import './features.css';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useDeferredValue, useMemo, useRef } from 'react';
import { freshnessQuery, summariesQuery, type Fresh, type Summary } from '@/api/features';
import { modelsQuery, type Model } from '@/api/models';
import { catalogQuery, type Definition } from '@/api/queries';
import { useKeys } from '@/shared/keys';
import type { Told } from '@/shared/search';
import { DataTable, type DataColumn } from '@/shared/table/data-table';
import { Input, Segmented, Select } from '@/shared/ui/controls';
import { Empty, Failure, Skeleton, Snippet } from '@/shared/ui/feedback';
import { duration, plural, whole } from '@/shared/ui/format';
import { Chip } from '@/shared/ui/marks';
import { readFeaturesSearch, type FeaturesSearch } from './search';
import { Sparkline } from './sparkline';
import { entitiesOf, featuresOf, groupsOf, tagsOf, textOf, type GroupSpec } from './spec';

interface Line {
  definition: Definition;
  kind: 'group' | 'view';
  features: string[];
  entities: string[];
  fresh: Fresh | undefined;
  summary: Summary | undefined;
  /** Views that read a group, models that read a view. */
  readers: number;
}

const COLUMNS: DataColumn<Line>[] = [
  {
    id: 'name',
    title: 'Name',
    sort: (line) => line.definition.name,
    grow: true,
    cell: (line) => (
      <div>
        <Link to="/features/$kind/$name" params={{ kind: line.kind, name: line.definition.name }} className="item-name">
          {line.definition.name}
        </Link>
        <span className="quiet"> v{line.definition.version}</span>
        {typeof line.definition.spec['description'] === 'string' && <div className="quiet cut feature-about">{line.definition.spec['description']}</div>}
      </div>
    ),
  },
  { id: 'kind', title: 'Kind', sort: (line) => line.kind, cell: (line) => <Chip tone={line.kind === 'view' ? 'accent' : 'quiet'}>{line.kind}</Chip> },
  { id: 'entity', title: 'Entity', sort: (line) => line.entities.join(', '), cell: (line) => line.entities.join(', ') || <span className="quiet">–</span> },
  { id: 'owner', title: 'Owner', sort: (line) => textOf(line.definition, 'owner'), cell: (line) => textOf(line.definition, 'owner') || <span className="quiet">–</span> },
  { id: 'features', title: 'Features', number: true, sort: (line) => line.features.length, cell: (line) => whole(line.features.length) },
  { id: 'rows', title: 'Rows', number: true, sort: (line) => line.fresh?.rows ?? -1, cell: (line) => (line.fresh?.rows === undefined || line.fresh.rows === null ? <span className="quiet">–</span> : whole(line.fresh.rows)) },
  { id: 'keys', title: 'Keys online', number: true, sort: (line) => line.fresh?.keys ?? -1, cell: (line) => (line.fresh === undefined ? <span className="quiet">–</span> : whole(line.fresh.keys)) },
  { id: 'nulls', title: 'Null', number: true, sort: (line) => line.summary?.nulls ?? -1, cell: (line) => <Nulls summary={line.summary} /> },
  { id: 'fresh', title: 'Freshness', sort: (line) => line.fresh?.age ?? Infinity, cell: (line) => (line.fresh === undefined ? <span className="quiet">–</span> : <Freshness fresh={line.fresh} />) },
  { id: 'readers', title: 'Read by', number: true, sort: (line) => line.readers, cell: (line) => <span className="readers">{plural(line.readers, line.kind === 'view' ? 'model' : 'view')}</span> },
];

/** The share of values that are null, and how it went. */
function Nulls({ summary }: { summary: Summary | undefined }) {
  if (summary === undefined || summary.nulls === null) return <span className="quiet">–</span>;
  return (
    <span className="nulls" data-bad={summary.nulls > 0.5 || undefined}>
      <Sparkline values={summary.history} what="Share of nulls" told={percent} />
      {percent(summary.nulls)}
    </span>
  );
}

function percent(share: number | undefined): string {
  return share === undefined ? '–' : `${Number((share * 100).toPrecision(2))}%`;
}

export function Freshness({ fresh }: { fresh: Fresh }) {
  if (fresh.age === null) return <Chip tone={fresh.stale ? 'bad' : 'quiet'}>empty</Chip>;
  const share = fresh.limit === null ? null : Math.min(1, fresh.age / fresh.limit);
  return (
    <span className="fresh" title={fresh.limit === null ? 'No limit is declared' : `Limit ${duration(fresh.limit)}`}>
      <Chip tone={fresh.stale ? 'bad' : fresh.waiting ? 'warn' : share === null ? 'quiet' : 'ok'}>{fresh.stale ? 'stale' : fresh.waiting ? 'rows wait' : share === null ? 'no limit' : 'fresh'}</Chip>
      <span className="quiet">{duration(fresh.age)} old</span>
      {share !== null && (
        <span className="fresh-bar" data-stale={fresh.stale || undefined}>
          <i style={{ width: `${share * 100}%` }} />
        </span>
      )}
    </span>
  );
}

/** How many models have a version that reads the view. */
function readersOf(view: string, models: readonly Model[]): number {
  return models.filter((model) => model.versions.some((version) => version.view.replace(/:\d+$/, '') === view)).length;
}

/** One member of the definitions to choose by; nothing where all have the same. */
function Facet({ label, of, all, lines, value, onChange }: { label: string; of: (line: Line) => readonly string[]; all: string; lines: readonly Line[]; value: string | undefined; onChange: (value: string | undefined) => void }) {
  const values = [...new Set([...lines.flatMap(of), ...(value === undefined ? [] : [value])])].filter((one) => one !== '').sort();
  if (values.length < 2 && value === undefined) return null;
  return <Select label={label} value={value ?? ''} options={[{ value: '', label: all }, ...values.map((one) => ({ value: one, label: one }))]} onChange={(next) => onChange(next === '' ? undefined : next)} />;
}

/** What a definition is found by. */
function wordsOf({ definition, features, entities }: Line): string[] {
  return [definition.name, ...features, ...entities, textOf(definition, 'owner'), textOf(definition, 'source'), textOf(definition, 'description'), ...tagsOf(definition).map(([key, value]) => `${key}: ${value}`)];
}

export function FeatureCatalog() {
  const catalog = useQuery(catalogQuery());
  const freshness = useQuery(freshnessQuery());
  const summaries = useQuery(summariesQuery());
  const models = useQuery(modelsQuery());
  const search = useSearch({ from: '/features' });
  const navigate = useNavigate({ from: '/features' });
  const change = (part: Told<FeaturesSearch>) => void navigate({ search: (now) => readFeaturesSearch({ ...now, ...part }), replace: true });
  const { q: text = '', kind, entity, owner } = search;
  const wanted = useDeferredValue(text.toLowerCase());
  const field = useRef<HTMLInputElement>(null);
  useKeys({ '/': () => field.current?.focus() });
  const lines = useMemo((): Line[] => {
    const { group = [], view = [] } = catalog.data ?? {};
    const groups = new Map(group.map((item) => [item.name, item.spec as unknown as GroupSpec]));
    return [
      ...group.map((definition): Line => ({ definition, kind: 'group', features: featuresOf(definition, groups), entities: entitiesOf(definition, groups), fresh: freshness.data?.[definition.basis], summary: summaries.data?.[definition.name], readers: view.filter((one) => groupsOf(one).includes(definition.name)).length })),
      ...view.map((definition): Line => ({ definition, kind: 'view', features: featuresOf(definition, groups), entities: entitiesOf(definition, groups), fresh: undefined, summary: undefined, readers: readersOf(definition.name, models.data?.models ?? []) })),
    ];
  }, [catalog.data, freshness.data, summaries.data, models.data]);
  const shown = lines.filter((line) => (kind === undefined || line.kind === kind) && (entity === undefined || line.entities.includes(entity)) && (owner === undefined || textOf(line.definition, 'owner') === owner) && wordsOf(line).some((name) => name.toLowerCase().includes(wanted)));
  const stale = lines.filter((line) => line.fresh?.stale === true).length;
  return (
    <div className="page">
      <header className="page-head">
        <h1>Features</h1>
        <span className="count">{catalog.data !== undefined && plural(lines.length, 'definition')}</span>
        <span className="grow">{stale > 0 && <Chip tone="bad">{stale} stale</Chip>}</span>
        {lines.length > 0 && (
          <>
            <Segmented
              label="Kind"
              value={kind ?? 'all'}
              choices={[
                { value: 'all', label: 'All' },
                { value: 'group', label: 'Groups' },
                { value: 'view', label: 'Views' },
              ]}
              onChange={(next) => change({ kind: next === 'all' ? undefined : next })}
            />
            <Facet label="Entity" of={(line) => line.entities} all="Every entity" lines={lines} value={entity} onChange={(next) => change({ entity: next })} />
            <Facet label="Owner" of={(line) => [textOf(line.definition, 'owner')]} all="Every owner" lines={lines} value={owner} onChange={(next) => change({ owner: next })} />
            <Input ref={field} icon="search" placeholder="Name, feature, tag or owner" aria-label="Find a feature" value={text} onChange={(event) => change({ q: event.target.value })} />
          </>
        )}
      </header>
      <div className="page-body">
        {catalog.isPending && <Skeleton lines={6} />}
        {catalog.isError && catalog.data === undefined && <Failure error={catalog.error} retry={() => void catalog.refetch()} />}
        {catalog.data !== undefined && lines.length === 0 && (
          <Empty icon="layers" title="Define the first features">
            <p>A module says what sources, groups and views there are; applying it makes them real, for training and serving alike.</p>
            <Snippet text={`headrace init .        # writes a first features.py\nheadrace apply features.py`} />
          </Empty>
        )}
        {lines.length > 0 && (
          <div className="panel">
            <DataTable label="Features" columns={COLUMNS} rows={shown} id={(line) => `${line.kind} ${line.definition.name}`} empty="Nothing of that name." />
          </div>
        )}
      </div>
    </div>
  );
}
