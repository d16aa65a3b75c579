/** One version of a model: its card, its gates against the champion, what it takes and gives, its files, how to use it. */
import './models.css';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { lazy, Suspense, useState } from 'react';
import { changeVersion, decisionsQuery, deleteVersion, gatesQuery, modelQuery, STAGES, type Stage } from '@/api/models';
import { runQuery } from '@/api/queries';
import { useMay } from '@/shared/may';
import { Button } from '@/shared/ui/controls';
import { Boundary, Empty, Failure, Skeleton, Snippet } from '@/shared/ui/feedback';
import { bytes, number, whole } from '@/shared/ui/format';
import { Icon } from '@/shared/ui/icon';
import { Ago, Facts } from '@/shared/ui/marks';
import { Menu } from '@/shared/ui/overlays';
import { Card } from './card';
import { Differences } from './differences';
import { AliasDialog, DeleteDialog, EditDialog } from './edit';
import { StageChip } from './model';
import { did, moveName, whyMayNot, whyNot } from './moves';
import { isSystem } from './figures';
import { Predictions } from './predictions';
import { GateTable, MoveDialog, RollbackDialog } from './promote';
import { Requests } from './requests';

const Lineage = lazy(() => import('@/shared/lineage/lineage-map').then((module) => ({ default: module.LineageMap })));
const Markdown = lazy(() => import('@/shared/ui/markdown').then((module) => ({ default: module.Markdown })));

export function VersionPage() {
  const { name, version: given } = useParams({ from: '/models/$name/$version' });
  const query = useQuery(modelQuery(name));
  const [to, setTo] = useState<Stage | null>(null);
  const [back, setBack] = useState(false);
  const [changing, setChanging] = useState<'texts' | 'aliases' | 'end' | null>(null);
  const { against } = useSearch({ from: '/models/$name/$version' });
  const navigate = useNavigate({ from: '/models/$name/$version' });
  const may = useMay();
  if (query.data === undefined) return query.isError ? <Failure whole error={query.error} retry={() => void query.refetch()} /> : <Skeleton lines={6} />;
  const model = query.data;
  const version = model.versions.find((item) => String(item.version) === given);
  if (version === undefined) return <Empty icon="box" title={`${name} has no version ${given}`} />;
  const uri = `models:/${model.name}/${version.version}`;
  const ownFigures = Object.fromEntries(Object.entries(version.metrics).filter(([key]) => !isSystem(key)));
  const ways = STAGES.filter((stage) => whyNot(version, stage) === null && !(version.stage === 'Archived' && stage === 'Production'));
  const open = ways.filter((stage) => whyMayNot(may, version, stage) === null);
  const others = open.filter((stage) => stage !== 'Production');
  return (
    <div className="page">
      <header className="page-head">
        <nav className="crumbs" aria-label="Where">
          <Link to="/models">Models</Link>
          <Icon name="right" size={12} />
          <Link to="/models/$name" params={{ name: model.name }} className="cut">
            {model.name}
          </Link>
          <Icon name="right" size={12} />
          <h1>v{version.version}</h1>
        </nav>
        <StageChip stage={version.stage} />
        <span className="grow row">
          {version.aliases.map((alias) => (
            <span key={alias} className="alias" data-champion={alias === 'champion' || undefined}>
              @{alias}
            </span>
          ))}
        </span>
        {version.stage === 'Production' && model.previous !== null && may('models:promote') && (
          <Button icon="undo" onClick={() => setBack(true)}>
            Roll back to v{model.previous}
          </Button>
        )}
        {open.includes('Production') && (
          <Button tone="primary" onClick={() => setTo('Production')}>
            Promote
          </Button>
        )}
        {version.reigned && version.stage === 'Archived' && may('models:promote') && (
          <Button icon="undo" onClick={() => setTo('Production')}>
            Put back
          </Button>
        )}
        {others.length > 0 && (
          <Menu
            trigger={<Button>Move</Button>}
            items={others.map((stage) => ({ label: `${moveName(version.stage, stage) ?? ''} → ${stage}`, onSelect: () => setTo(stage) }))}
          />
        )}
        {may('models:write') && (
          <Menu
            trigger={<Button icon="dots" aria-label="More" />}
            items={[
              { label: 'Edit description, owner and tags', icon: 'file', onSelect: () => setChanging('texts') },
              { label: 'Aliases', icon: 'tag', onSelect: () => setChanging('aliases') },
              'line',
              { label: version.stage === 'Production' ? 'Delete: not while it is in Production' : 'Delete', icon: 'trash', bad: true, disabled: version.stage === 'Production', onSelect: () => setChanging('end') },
            ]}
          />
        )}
      </header>
      <div className="page-body model">
        {version.description !== '' && (
          <section className="panel">
            <header>
              <h2>Description</h2>
            </header>
            <div className="panel-body prose">
              <Suspense fallback={<Skeleton />}>
                <Markdown text={version.description} />
              </Suspense>
            </div>
          </section>
        )}
        <div className="overview-columns">
          <div className="overview-column">
            <Gates name={model.name} version={version.version} reigning={version.stage === 'Production'} />
            <Decisions name={model.name} version={version.version} />
            <Predictions name={model.name} version={version.version} />
            <section className="panel">
              <header>
                <h2>Metrics</h2>
              </header>
              {version.evaluations.length === 0 && Object.keys(version.metrics).length === 0 && <p className="panel-body quiet">Neither its run nor an evaluation measured anything yet.</p>}
              {version.evaluations.map((item) => (
                <div key={`${item.fingerprint} ${item.time}`} className="panel-body measured">
                  <div className="quiet">
                    {item.dataset} · {whole(item.rows)} rows · <Ago time={item.time} /> · {item.user}
                  </div>
                  <Figures figures={item.figures} />
                </div>
              ))}
              {Object.keys(ownFigures).length > 0 && (
                <div className="panel-body measured">
                  <div className="quiet">By its run</div>
                  <Figures figures={ownFigures} />
                </div>
              )}
            </section>
            <Differences model={model} version={version} against={against} onChoose={(next) => void navigate({ search: next === undefined ? {} : { against: next }, replace: true, resetScroll: false })} />
            <section className="panel model-lineage">
              <header>
                <h2>Lineage</h2>
              </header>
              <Boundary>
                <Suspense fallback={<Skeleton />}>
                  <Lineage urn={uri} isPart />
                </Suspense>
              </Boundary>
            </section>
          </div>
          <div className="overview-column">
            <Requests name={model.name} version={version.version} stages={ways} />
            <Card key={uri} name={model.name} version={version} />
            <section className="panel">
              <header>
                <h2>Facts</h2>
              </header>
              <div className="panel-body">
                <Facts
                  items={[
                    ['Run', version.run_id === '' ? '–' : <RunLink key="run" id={version.run_id} />],
                    ['Owner', version.owner === '' ? '–' : version.owner],
                    ['Flavor', version.flavor],
                    ['Feature view', version.view === '' ? '–' : <Link key="view" to="/lineage/$" params={{ _splat: `view:${version.view}` }} className="link">{version.view}</Link>],
                    ['Registered', <Ago key="at" time={version.created} />],
                    ['By', version.user === '' ? '–' : version.user],
                    ['Size', bytes(version.size)],
                    ...Object.entries(version.tags).map(([key, value]) => [key, value] as const),
                  ]}
                />
              </div>
            </section>
            <section className="panel">
              <header>
                <h2>Load and serve</h2>
              </header>
              <div className="panel-body snippets">
                <Snippet text={`store.models.load("${uri}").predict(df)`} />
                <Snippet text={`headrace serve models:/${model.name}${version.aliases.includes('champion') ? '@champion' : `/${version.version}`}`} />
              </div>
            </section>
            <Signature title="Inputs" columns={version.inputs} />
            <Signature title="Outputs" columns={version.outputs} />
            <section className="panel">
              <header>
                <h2>Files</h2>
              </header>
              <ul className="lines">
                {version.files.map((file) => (
                  <li key={file.path}>
                    <Icon name="file" size={15} />
                    <span className="grow">
                      {file.path}
                      <span className="quiet lines-more mono">{file.digest.slice(0, 24)}…</span>
                    </span>
                    <span className="quiet">{bytes(file.size)}</span>
                  </li>
                ))}
              </ul>
            </section>
            {version.requirements.length > 0 && (
              <section className="panel">
                <header>
                  <h2>Requirements</h2>
                </header>
                <pre className="panel-body requirements">{version.requirements.join('\n')}</pre>
              </section>
            )}
          </div>
        </div>
      </div>
      {to !== null && <MoveDialog model={model} version={version} to={to} onClose={() => setTo(null)} />}
      {changing === 'texts' && <EditDialog what={`${model.name} version ${version.version}`} texts={version} save={(change) => changeVersion(model.name, version.version, change)} onClose={() => setChanging(null)} />}
      {changing === 'aliases' && <AliasDialog model={model} version={version} onClose={() => setChanging(null)} />}
      {changing === 'end' && (
        <DeleteDialog
          what={`${model.name} version ${version.version}`}
          text="The version and the aliases that name it go; its number isn’t given again, and its history stays. The run keeps what it logged."
          end={() => deleteVersion(model.name, version.version)}
          onDone={() => void navigate({ to: '/models/$name', params: { name: model.name } })}
          onClose={() => setChanging(null)}
        />
      )}
      {back && model.previous !== null && <RollbackDialog model={model} to={model.previous} onClose={() => setBack(false)} />}
    </div>
  );
}

/** The run by its name, once that is known. */
function RunLink({ id }: { id: string }) {
  const { data } = useQuery(runQuery(id));
  return (
    <Link to="/runs/$run" params={{ run: id }} className={data === undefined ? 'link mono' : 'link'} title={id}>
      {data?.name ?? `${id.slice(0, 16)}…`}
    </Link>
  );
}

function Gates({ name, version, reigning }: { name: string; version: number; reigning: boolean }) {
  const query = useQuery({ ...gatesQuery(name, version), enabled: !reigning });
  if (reigning) return null;
  return (
    <section className="panel">
      <header>
        <h2>Gates, asked now</h2>
      </header>
      <div className="panel-body">
        {query.isPending && <Skeleton lines={2} />}
        {query.isError && <Failure error={query.error} retry={() => void query.refetch()} />}
        {query.data !== undefined && <GateTable report={query.data} />}
      </div>
    </section>
  );
}

/** The reports by which it was let pass or refused, with the figures of then. */
function Decisions({ name, version }: { name: string; version: number }) {
  const query = useQuery(decisionsQuery(name, version));
  if (query.isError && query.data === undefined) return <Failure error={query.error} retry={() => void query.refetch()} />;
  const decisions = query.data ?? [];
  if (decisions.length === 0) return null;
  return (
    <section className="panel" aria-label="Decisions">
      <header>
        <h2>Gate reports</h2>
      </header>
      <div className="panel-body measured">
        {decisions.map((item) => (
          <details key={item.seq} open={item.seq === decisions[0]?.seq}>
            <summary>
              <b>{did(item.action)}</b> <span className="quiet">by {item.user} · </span>
              <Ago time={item.time} />
              {item.reason !== '' && <span className="quiet"> · {item.reason}</span>}
            </summary>
            <GateTable report={item.report} />
          </details>
        ))}
      </div>
    </section>
  );
}

function Figures({ figures }: { figures: Readonly<Record<string, number | string>> }) {
  return (
    <dl className="figures">
      {Object.entries(figures).map(([key, value]) => (
        <div key={key}>
          <dt className="cut" title={key}>
            {key}
          </dt>
          <dd>{number(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

function Signature({ title, columns }: { title: string; columns: readonly { name: string; type: string }[] }) {
  if (columns.length === 0) return null;
  return (
    <section className="panel">
      <header>
        <h2>{title}</h2>
      </header>
      <ul className="panel-body signature">
        {columns.map((column) => (
          <li key={column.name}>
            <code className="cut">{column.name}</code> <span className="quiet">{column.type}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
