/** A feature group or view: what it is, what its values look like, how fresh they are, what it says for one entity now. */
import './features.css';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { definitionQuery, freshnessQuery, materializationsQuery, statisticsQuery, type Column } from '@/api/features';
import { catalogQuery, type Definition } from '@/api/queries';
import { ImpactPanel } from '@/shared/lineage/impact';
import { urnOf } from '@/shared/lineage/names';
import { DataTable } from '@/shared/table/data-table';
import { Button } from '@/shared/ui/controls';
import { Failure, Skeleton } from '@/shared/ui/feedback';
import { duration, number, whole } from '@/shared/ui/format';
import { Icon } from '@/shared/ui/icon';
import { Ago, Chip, Facts } from '@/shared/ui/marks';
import { Freshness } from './catalog';
import { Ingested } from './ingested';
import { LookUp } from './look-up';
import { Pins } from './pins';
import { Expectations } from './quality';
import { Sparkline } from './sparkline';
import { columnsOf, entitiesOf, featuresOf, formula, groupsOf, keysOf, tagsOf, textOf, usesOf, type FeatureSpec, type GroupSpec } from './spec';

export function FeaturePage() {
  const { kind, name } = useParams({ from: '/features/$kind/$name' });
  const query = useQuery(definitionQuery(kind, name));
  const catalog = useQuery(catalogQuery());
  if (query.data === undefined) return query.isError ? <Failure whole error={query.error} retry={() => void query.refetch()} /> : <Skeleton lines={6} />;
  const definition = query.data;
  const groups = new Map((catalog.data?.group ?? []).map((item) => [item.name, item.spec as unknown as GroupSpec]));
  const readers = (catalog.data?.view ?? []).filter((view) => groupsOf(view).includes(name));
  const text = (key: string) => (typeof definition.spec[key] === 'string' && definition.spec[key] !== '' ? definition.spec[key] : null);
  const entities = entitiesOf(definition, groups);
  const keys = kind === 'view' ? keysOf(definition, groups, catalog.data?.entity ?? []) : ((catalog.data?.entity.find((one) => one.name === entities[0])?.spec['keys'] ?? []) as [string, string][]);
  const tags = tagsOf(definition);
  const source = catalog.data?.source.find((one) => one.name === text('source'));
  return (
    <div className="page">
      <header className="page-head">
        <nav className="crumbs" aria-label="Where">
          <Link to="/features">Features</Link>
          <Icon name="right" size={12} />
          <h1 className="cut">{name}</h1>
        </nav>
        <Chip tone={kind === 'view' ? 'accent' : 'quiet'}>{kind}</Chip>
        <span className="quiet grow">v{definition.version}</span>
        <Link to="/lineage/$" params={{ _splat: urnOf(definition) }} className="button">
          <Icon name="graph" size={14} />
          Lineage
        </Link>
      </header>
      <div className="page-body feature">
        {text('description') !== null && <p>{text('description')}</p>}
        <div className="overview-columns">
          <div className="overview-column">
            {kind === 'group' ? <GroupFeatures name={name} definition={definition} /> : <ViewFeatures definition={definition} groups={groups} />}
            {kind === 'group' && <Expectations group={name} source={text('source')} />}
            {kind === 'group' && <Materializations group={name} />}
            {kind === 'group' && text('source') !== null && <Ingested source={text('source') ?? ''} />}
            {kind === 'view' && <Pins name={name} versions={definition.versions.map((one) => one.version)} />}
          </div>
          <div className="overview-column">
            {kind === 'group' && <FreshPanel id={definition.basis} />}
            {kind === 'group' && <GroupImpact key={definition.basis} whole={urnOf(definition)} />}
            {kind === 'group' && readers[0] !== undefined && <LookUp key={readers[0].id} through view={readers[0]} groups={groups} entities={catalog.data?.entity ?? []} bases={catalog.data?.group ?? []} />}
            {kind === 'view' && <LookUp key={definition.id} view={definition} groups={groups} entities={catalog.data?.entity ?? []} bases={catalog.data?.group ?? []} />}
            <section className="panel">
              <header>
                <h2>Definition</h2>
              </header>
              <div className="panel-body">
                <Facts
                  items={[
                    [entities.length === 1 ? 'Entity' : 'Entities', entities.join(', ') || '–'],
                    [keys.length === 1 ? 'Key' : 'Keys', keys.map((key) => key.join(' ')).join(', ')],
                    ...(text('source') === null ? [] : [['Source', <Link key="s" className="link" to="/lineage/$" params={{ _splat: `source:${text('source') ?? ''}` }}>{text('source')}</Link>] as const]),
                    ['Owner', text('owner') ?? '–'],
                    ...(tags.length === 0 ? [] : [['Tags', tags.map((tag) => tag.join(': ')).join(', ')] as const]),
                    ['Applied', <Ago key="at" time={definition.created} />],
                    ['By', definition.author],
                    ['Hash', <code key="hash">{definition.hash.slice(0, 16)}</code>],
                  ]}
                />
              </div>
            </section>
            {source !== undefined && <Columns source={source} />}
            <Versions kind={kind} name={name} versions={definition.versions} />
            {readers.length > 0 && (
              <section className="panel">
                <header>
                  <h2>Read by</h2>
                </header>
                <ul className="lines">
                  {readers.map((view) => (
                    <li key={view.name}>
                      <Icon name="eye" size={15} />
                      <Link to="/features/$kind/$name" params={{ kind: 'view', name: view.name }} className="link">
                        {view.name}
                      </Link>
                    </li>
                  ))}
                </ul>
              </section>
            )}
          </div>
        </div>
      </div>
    </div>
  );
}

/** What the rows of a source hold. */
function Columns({ source }: { source: Definition }) {
  return (
    <section className="panel" aria-label="Columns of the source">
      <header>
        <h2 className="grow">Columns of its source</h2>
        <span className="quiet">{textOf(source, 'type')} source</span>
      </header>
      <ul className="panel-body feature-columns">
        {columnsOf(source).map(([name, type]) => (
          <li key={name}>
            <code>{name}</code> <span className="quiet">{name === textOf(source, 'timestamp') ? `${type}, when it happened` : type}</span>
          </li>
        ))}
      </ul>
      {textOf(source, 'description') !== '' && <p className="panel-body feature-columns quiet">{textOf(source, 'description')}</p>}
    </section>
  );
}

function GroupImpact({ whole }: { whole: string }) {
  const [urn, setUrn] = useState(whole);
  return <ImpactPanel whole={whole} urn={urn} onChoose={setUrn} />;
}

function GroupFeatures({ name, definition }: { name: string; definition: Definition }) {
  const statistics = useQuery(statisticsQuery(name));
  const features = (definition.spec as unknown as GroupSpec).features ?? [];
  const [latest] = statistics.data?.history ?? [];
  const history = statistics.data?.history ?? [];
  return (
    <section className="panel">
      <header>
        <h2 className="grow">Features</h2>
        {latest !== undefined && (
          <span className="quiet">
            {whole(latest.rows)} values looked at, <Ago time={latest.at} />
          </span>
        )}
      </header>
      <ul className="features">
        {features.map((feature) => (
          <Feature key={feature.name} feature={feature} column={latest?.columns[feature.name]} means={history.map((item) => item.columns[feature.name]?.mean).reverse()} />
        ))}
      </ul>
    </section>
  );
}

function Feature({ feature, column, means }: { feature: FeatureSpec; column: Column | undefined; means: (number | string | null | undefined)[] }) {
  const nulls = column === undefined || column.count === 0 ? null : column.nulls / column.count;
  return (
    <li className="feature-line">
      <div className="feature-what">
        <b className="cut" title={feature.name}>
          {feature.name}
        </b>
        <span className="quiet">{feature.type ?? column?.dtype}</span>
        <div className="quiet mono feature-formula">{formula(feature)}</div>
        {feature.description !== undefined && feature.description !== '' && <div className="quiet feature-formula">{feature.description}</div>}
      </div>
      <div className="feature-figures">
        {column === undefined ? (
          <span className="quiet">not looked at yet</span>
        ) : (
          <>
            {isText(column) ? (
              <span className="cut" title={topOf(column)}>
                <i>top</i> {topOf(column)}
              </span>
            ) : (
              <span>
                <i>mean</i> {number(column.mean)}
              </span>
            )}
            {isText(column) ? (
              <span>
                <i>distinct</i> {column.distinct === null ? '–' : whole(column.distinct)}
              </span>
            ) : (
              <span>
                <i>range</i> {column.min === null ? '–' : `${number(column.min)} – ${number(column.max)}`}
              </span>
            )}
            <span data-bad={nulls !== null && nulls > 0.5 ? true : undefined}>
              <i>null</i> {nulls === null ? '–' : `${Number((nulls * 100).toPrecision(2))}%`}
            </span>
          </>
        )}
      </div>
      <Histogram column={column} />
      <Sparkline values={means} what="Mean" />
    </li>
  );
}

/** Its figures are those of lengths. */
function isText(column: Column): boolean {
  return column.dtype === 'string' || column.dtype === 'bytes';
}

function topOf(column: Column): string {
  return column.top.map(([value, count]) => `${String(value)}: ${whole(Number(count))}`).join(', ');
}

/** Bars between edges as they are: the outer bins of long tails are wide and low. Of texts, a bar for each of the most frequent. */
function Histogram({ column }: { column: Column | undefined }) {
  if (column === undefined) return <div className="histogram" />;
  const binned = column.histogram.length > 1 && !isText(column);
  const counts = binned ? column.histogram : column.top.map(([, count]) => Number(count));
  const high = Math.max(1, ...counts);
  const said = binned ? `${number(column.edges[0] ?? null)} to ${number(column.edges.at(-1) ?? null)}` : topOf(column);
  return (
    <div className="histogram" role="img" aria-label={`Distribution: ${said}`} title={said}>
      {counts.slice(0, 30).map((count, index) => (
        <i key={index} style={{ height: `${Math.max(count > 0 ? 4 : 0, (count / high) * 100)}%` }} />
      ))}
    </div>
  );
}

function ViewFeatures({ definition, groups }: { definition: Definition; groups: ReadonlyMap<string, GroupSpec> }) {
  return (
    <section className="panel">
      <header>
        <h2>Features</h2>
      </header>
      <ul className="lines">
        {usesOf(definition).map(({ id, group, how }) => (
          <li key={id}>
            <Icon name="layers" size={15} />
            <Link to="/features/$kind/$name" params={{ kind: 'group', name: group }} className="link">
              {group}
            </Link>
            <span className="quiet">{how}</span>
          </li>
        ))}
      </ul>
      <ul className="panel-body view-features">
        {featuresOf(definition, groups).map((feature) => (
          <li key={feature}>
            <code>{feature}</code>
          </li>
        ))}
      </ul>
    </section>
  );
}

function FreshPanel({ id }: { id: string }) {
  const query = useQuery(freshnessQuery());
  const fresh = query.data?.[id];
  if (fresh === undefined) return null;
  return (
    <section className="panel">
      <header>
        <h2 className="grow">Online now</h2>
        <Freshness fresh={fresh} />
      </header>
      <div className="panel-body">
        <Facts
          items={[
            ['Keys', whole(fresh.keys)],
            ['Newest event', <Ago key="n" time={fresh.newest} />],
            ['Limit', fresh.limit === null ? 'none declared' : duration(fresh.limit)],
            ['Waits', fresh.waiting ? 'rows of the lake' : fresh.lag > 0 ? `${whole(fresh.lag)} events of the stream` : 'nothing'],
            ['Rows in the lake', fresh.rows === null ? '–' : whole(fresh.rows)],
            ['Written', <Ago key="w" time={fresh.written} />],
            ['Materialized', <Ago key="m" time={fresh.materialized} />],
            ['Too late events', whole(fresh.late)],
          ]}
        />
      </div>
    </section>
  );
}

function Materializations({ group }: { group: string }) {
  const query = useQuery(materializationsQuery(group));
  if (query.data === undefined || query.data.records.length === 0) return null;
  return (
    <section className="panel">
      <header>
        <h2>Materialized</h2>
      </header>
      <DataTable
        label="Materializations"
        rows={query.data.records}
        id={(record) => record.started}
        empty="Never."
        columns={[
          { id: 'at', title: 'When', sort: (record) => record.started, cell: (record) => <Ago time={record.started} /> },
          { id: 'rows', title: 'Rows read', number: true, sort: (record) => record.rows, cell: (record) => whole(record.rows) },
          { id: 'keys', title: 'Keys online', number: true, sort: (record) => record.keys, cell: (record) => whole(record.keys) },
          { id: 'seconds', title: 'Took', number: true, sort: (record) => record.seconds, cell: (record) => duration(record.seconds) },
          { id: 'by', title: 'By', cell: (record) => record.author },
        ]}
      />
    </section>
  );
}

function Versions({ kind, name, versions }: { kind: string; name: string; versions: readonly Omit<Definition, 'spec'>[] }) {
  const [shown, setShown] = useState<number | null>(null);
  if (versions.length < 2) return null;
  return (
    <section className="panel">
      <header>
        <h2>Versions</h2>
      </header>
      <ul className="lines">
        {[...versions].reverse().map((version) => (
          <li key={version.version}>
            <span className="grow">
              <b>v{version.version}</b> <span className="quiet">{version.author}</span>
            </span>
            <Ago time={version.created} />
            {version.version > 1 && (
              <Button tone="quiet" onClick={() => setShown(shown === version.version ? null : version.version)}>
                Diff
              </Button>
            )}
          </li>
        ))}
      </ul>
      {shown !== null && <SpecDiff kind={kind} name={name} version={shown} />}
    </section>
  );
}

function SpecDiff({ kind, name, version }: { kind: string; name: string; version: number }) {
  const before = useQuery(definitionQuery(kind, `${name}:${version - 1}`));
  const after = useQuery(definitionQuery(kind, `${name}:${version}`));
  if (before.data === undefined || after.data === undefined) return <Skeleton />;
  const [old, now] = [before.data, after.data].map((one) => JSON.stringify(one.spec, null, 2).split('\n')) as [string[], string[]];
  const [had, has] = [new Set(old), new Set(now)];
  return (
    <pre className="panel-body spec-diff">
      {old.filter((line) => !has.has(line)).map((line) => (
        <del key={`- ${line}`}>{`− ${line}\n`}</del>
      ))}
      {now.filter((line) => !had.has(line)).map((line) => (
        <ins key={`+ ${line}`}>{`+ ${line}\n`}</ins>
      ))}
    </pre>
  );
}
