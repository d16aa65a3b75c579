/** One registered model: its versions, a metric over them, who moved what when, its gates. */
import './models.css';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { lazy, Suspense, useState } from 'react';
import type { Schemas } from '@/api/client';
import { changeModel, deleteModel, historyQuery, modelQuery, type Model, type Version } from '@/api/models';
import { useMay } from '@/shared/may';
import { DataTable, type DataColumn } from '@/shared/table/data-table';
import { Button } from '@/shared/ui/controls';
import { Failure, Skeleton } from '@/shared/ui/feedback';
import { bytes, number, plural } from '@/shared/ui/format';
import { Icon } from '@/shared/ui/icon';
import { Ago, Chip, Facts } from '@/shared/ui/marks';
import { Menu } from '@/shared/ui/overlays';
import { DeleteDialog, EditDialog } from './edit';
import { figuresOf, keyMetric, ruleOf } from './figures';
import { did } from './moves';
import { GateTable, RollbackDialog } from './promote';
import { Reigns } from './reigns';
import { Told } from './told';

const Markdown = lazy(() => import('@/shared/ui/markdown').then((module) => ({ default: module.Markdown })));

export function ModelPage() {
  const { name } = useParams({ from: '/models/$name' });
  const query = useQuery(modelQuery(name));
  const history = useQuery(historyQuery(name));
  const [back, setBack] = useState<number | null>(null);
  const [changing, setChanging] = useState<'texts' | 'end' | null>(null);
  const navigate = useNavigate();
  const may = useMay();
  const promotes = may('models:promote');
  if (query.data === undefined) return query.isError ? <Failure whole error={query.error} retry={() => void query.refetch()} /> : <Skeleton lines={6} />;
  const model = query.data;
  return (
    <div className="page">
      <header className="page-head">
        <nav className="crumbs grow" aria-label="Where">
          <Link to="/models">Models</Link>
          <Icon name="right" size={12} />
          <h1 className="cut">{model.name}</h1>
        </nav>
        {model.versions.length > 0 && (
          <Link to="/lineage/$" params={{ _splat: `models:/${model.name}${model.champion === null ? '' : '@champion'}` }} className="button">
            <Icon name="graph" size={14} />
            Lineage
          </Link>
        )}
        {model.previous !== null && promotes && (
          <Button icon="undo" onClick={() => setBack(model.previous)}>
            Roll back to v{model.previous}
          </Button>
        )}
        {may('models:write') && (
          <Menu
            trigger={<Button icon="dots" aria-label="More" />}
            items={[
              { label: 'Edit description, owner and tags', icon: 'file', onSelect: () => setChanging('texts') },
              'line',
              { label: model.champion === null ? 'Delete' : 'Delete: not while a version is in Production', icon: 'trash', bad: true, disabled: model.champion !== null, onSelect: () => setChanging('end') },
            ]}
          />
        )}
      </header>
      <div className="page-body model">
        {model.description !== '' && (
          <div className="prose">
            <Suspense fallback={<p>{model.description}</p>}>
              <Markdown text={model.description} />
            </Suspense>
          </div>
        )}
        <Reigns model={model} onBack={promotes ? setBack : null} />
        <MetricOverVersions model={model} />
        <section className="panel">
          <header>
            <h2>Versions</h2>
          </header>
          <DataTable label="Versions" columns={columnsOf(model)} rows={model.versions} id={(version) => String(version.version)} empty="No version is registered yet." />
        </section>
        <div className="overview-columns">
          <section className="panel">
            <header>
              <h2>History</h2>
            </header>
            {history.isPending && <Skeleton />}
            {history.isError && <Failure error={history.error} retry={() => void history.refetch()} />}
            <ol className="timeline">
              {history.data?.entries.map((entry) => (
                <Entry key={entry.seq} entry={entry} model={model} onBack={promotes ? setBack : null} />
              ))}
            </ol>
          </section>
          <div className="overview-column">
            <section className="panel" aria-label="Facts">
              <header>
                <h2>Facts</h2>
              </header>
              <div className="panel-body">
                <Facts
                  items={[
                    ['Owner', model.owner === '' ? '–' : model.owner],
                    ['Made', <Ago key="made" time={model.created} />],
                    ['Changed', <Ago key="changed" time={model.updated} />],
                    ...Object.entries(model.tags).map(([key, value]) => [key, value] as const),
                  ]}
                />
              </div>
            </section>
            <section className="panel">
              <header>
                <h2>Gates before Production</h2>
              </header>
              <ul className="lines">
                {model.gates.length === 0 && <li className="quiet">None: every version may be promoted. Set them with store.models.set_gates(…).</li>}
                {model.gates.map((gate) => (
                  <li key={`${gate.metric} ${gate.rule}`}>
                    <Icon name="shield" size={15} />
                    <span>
                      <b>{gate.metric}</b> {ruleOf(gate)}
                    </span>
                  </li>
                ))}
              </ul>
            </section>
            <Told model={model.name} />
          </div>
        </div>
      </div>
      {changing === 'texts' && <EditDialog what={model.name} texts={model} save={(change) => changeModel(model.name, change)} onClose={() => setChanging(null)} />}
      {changing === 'end' && (
        <DeleteDialog what={model.name} text={`The model goes with ${plural(model.versions.length, 'version')}; its history stays. The runs keep what they logged.`} end={() => deleteModel(model.name)} onDone={() => void navigate({ to: '/models' })} onClose={() => setChanging(null)} />
      )}
      {back !== null && <RollbackDialog model={model} to={back} onClose={() => setBack(null)} />}
    </div>
  );
}

export function StageChip({ stage }: { stage: Version['stage'] }) {
  return <Chip tone={stage === 'Production' ? 'ok' : stage === 'Staging' ? 'accent' : 'quiet'}>{stage}</Chip>;
}

function columnsOf(model: Model): DataColumn<Version>[] {
  const keys = [...new Set(model.versions.flatMap((version) => Object.keys(figuresOf(version))))].slice(0, 5);
  return [
    {
      id: 'version',
      title: 'Version',
      sort: (version) => version.version,
      cell: (version) => (
        <Link to="/models/$name/$version" params={{ name: model.name, version: String(version.version) }} className="item-name">
          v{version.version}
        </Link>
      ),
    },
    { id: 'stage', title: 'Stage', sort: (version) => version.stage, cell: (version) => <StageChip stage={version.stage} /> },
    { id: 'aliases', title: 'Aliases', cell: (version) => version.aliases.map((alias) => <span key={alias} className="alias" data-champion={alias === 'champion' || undefined}>@{alias}</span>) },
    ...keys.map((key): DataColumn<Version> => ({ id: key, title: key, number: true, sort: (version) => figuresOf(version)[key] ?? -Infinity, cell: (version) => number(figuresOf(version)[key]) })),
    {
      id: 'run',
      title: 'Run',
      cell: (version) =>
        version.run_id === '' ? (
          <span className="quiet">–</span>
        ) : (
          <Link to="/runs/$run" params={{ run: version.run_id }} className="link mono">
            {version.run_id.slice(-8)}
          </Link>
        ),
    },
    { id: 'size', title: 'Size', number: true, sort: (version) => version.size, cell: (version) => bytes(version.size) },
    { id: 'user', title: 'By', sort: (version) => version.user, cell: (version) => version.user },
    { id: 'created', title: 'Registered', number: true, sort: (version) => version.created, cell: (version) => <Ago time={version.created} /> },
  ];
}

/** A bar a version; the champion stands out. */
function MetricOverVersions({ model }: { model: Model }) {
  const points = [...model.versions].reverse().flatMap((version) => {
    const metric = keyMetric(model, version);
    return metric === null ? [] : [{ version, ...metric }];
  });
  const [first] = points;
  if (first === undefined || points.length < 2) return null;
  const values = points.map((point) => point.value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const floor = low - (high - low || Math.abs(high) || 1) * 0.35;
  return (
    <section className="panel">
      <header>
        <h2 className="grow">{first.key} over versions</h2>
        <span className="quiet">{plural(points.length, 'version')}</span>
      </header>
      <ol className="bars">
        {points.map(({ version, value }) => (
          <li key={version.version} data-champion={version.version === model.champion || undefined}>
            <span className="bar-value">{number(value)}</span>
            <i style={{ height: `${Math.max(3, ((value - floor) / (high - floor || 1)) * 84)}px` }} />
            <span className="quiet">v{version.version}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Entry({ entry, model, onBack }: { entry: Schemas['AuditEntry']; model: Model; onBack: ((version: number) => void) | null }) {
  const bad = entry.action === 'refuse' || entry.report?.forced === true;
  const version = model.versions.find((item) => item.version === entry.version);
  const can = onBack !== null && (entry.action === 'promote' || entry.action === 'rollback') && version?.reigned === true && version.version !== model.champion;
  return (
    <li data-bad={bad || undefined}>
      <div className="row">
        <b>
          {did(entry.action)}
          {entry.version !== null && ` v${entry.version}`}
        </b>
        {entry.report?.forced === true && <Chip tone="bad">against a gate</Chip>}
        <span className="quiet grow">{entry.user}</span>
        {can && (
          <Button tone="quiet" icon="undo" onClick={() => onBack(version.version)}>
            Back to v{version.version}
          </Button>
        )}
        <span className="quiet">
          <Ago time={entry.time} />
        </span>
      </div>
      {entry.reason !== '' && <p>{entry.reason}</p>}
      {entry.report !== null && entry.report.conditions.length > 0 && (
        <details>
          <summary className="quiet">Gate report</summary>
          <GateTable report={entry.report} />
        </details>
      )}
    </li>
  );
}
