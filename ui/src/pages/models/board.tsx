/** The board: a row a model, a column a stage; a version is moved by dragging it or by its menu. */
import './models.css';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useRef, useState, type DragEvent } from 'react';
import { gatesQuery, modelsQuery, STAGES, type Model, type Stage, type Version } from '@/api/models';
import { useKeys } from '@/shared/keys';
import { useMay, type May } from '@/shared/may';
import { Button, Input } from '@/shared/ui/controls';
import { Empty, Failure, Skeleton, Snippet } from '@/shared/ui/feedback';
import { number, plural } from '@/shared/ui/format';
import { Icon } from '@/shared/ui/icon';
import { Ago } from '@/shared/ui/marks';
import { Menu } from '@/shared/ui/overlays';
import { toast } from '@/shared/ui/toasts';
import { Delta } from './delta';
import { keyMetric } from './figures';
import { moveName, whyMayNot, whyNot } from './moves';
import { MoveDialog, RollbackDialog } from './promote';
import { useSeen } from './seen';

const MOST_IN_CELL = 3;

interface Moving {
  model: Model;
  version: Version;
  to: Stage;
}

export function ModelBoard() {
  const query = useQuery(modelsQuery());
  const [text, setText] = useState('');
  const [moving, setMoving] = useState<Moving | null>(null);
  const [back, setBack] = useState<Model | null>(null);
  const field = useRef<HTMLInputElement>(null);
  const may = useMay();
  useKeys({ '/': () => field.current?.focus() });
  const all = query.data?.models ?? [];
  const shown = all.filter((model) => model.name.toLowerCase().includes(text.toLowerCase()));
  const ask = (model: Model, version: Version, to: Stage) => {
    const why = whyNot(version, to) ?? whyMayNot(may, version, to);
    if (why === null) setMoving({ model, version, to });
    else toast(`Version ${version.version} can’t go to ${to}. ${why}`, { bad: true });
  };
  return (
    <div className="page">
      <header className="page-head">
        <h1>Models</h1>
        <span className="count grow">{query.data !== undefined && plural(all.length, 'model')}</span>
        {all.length > 0 && <Input ref={field} icon="search" placeholder="Find" aria-label="Find a model" value={text} onChange={(event) => setText(event.target.value)} />}
      </header>
      <div className="page-body">
        {query.isPending && <Skeleton lines={6} />}
        {query.isError && query.data === undefined && <Failure error={query.error} retry={() => void query.refetch()} />}
        {query.data !== undefined && all.length === 0 && (
          <Empty icon="box" title="Register the first model">
            <p>A registered model has versions that move through stages; its gates decide what may serve.</p>
            <Snippet text={`store = hr.connect("${location.origin}")\n# model is what run.log_model(…) returned\nstore.models.register(model, "video-ranker")`} />
          </Empty>
        )}
        {shown.length > 0 && (
          <div className="board" role="table" aria-label="Models by stage">
            <div className="board-head" role="row">
              <div role="columnheader">Model</div>
              {STAGES.map((stage) => (
                <div key={stage} role="columnheader" data-stage={stage}>
                  {stage}
                </div>
              ))}
            </div>
            {shown.map((model) => (
              <BoardRow key={model.name} model={model} may={may} onMove={ask} onBack={() => setBack(model)} />
            ))}
          </div>
        )}
      </div>
      {moving !== null && <MoveDialog {...moving} onClose={() => setMoving(null)} />}
      {back !== null && back.previous !== null && <RollbackDialog model={back} to={back.previous} onClose={() => setBack(null)} />}
    </div>
  );
}

function BoardRow({ model, may, onMove, onBack }: { model: Model; may: May; onMove: (model: Model, version: Version, to: Stage) => void; onBack: () => void }) {
  const [over, setOver] = useState<Stage | null>(null);
  const drop = (event: DragEvent, stage: Stage) => {
    event.preventDefault();
    setOver(null);
    const [name, given] = event.dataTransfer.getData('text/plain').split('\n');
    const version = model.versions.find((item) => String(item.version) === given);
    if (name !== model.name) toast('A version stays with its model.', { bad: true });
    else if (version !== undefined && version.stage !== stage) onMove(model, version, stage);
  };
  return (
    <div className="board-row" role="row">
      <div className="board-model" role="rowheader">
        <Link to="/models/$name" params={{ name: model.name }} className="board-name">
          {model.name}
        </Link>
        <span className="quiet">{plural(model.versions.length, 'version')}</span>
        {model.previous !== null && may('models:promote') && (
          <Button tone="quiet" icon="undo" onClick={onBack}>
            Roll back
          </Button>
        )}
      </div>
      {STAGES.map((stage) => {
        const here = model.versions.filter((version) => version.stage === stage);
        return (
          <div
            key={stage}
            role="cell"
            className="board-cell"
            data-over={over === stage || undefined}
            onDragOver={(event) => {
              event.preventDefault();
              setOver(stage);
            }}
            onDragLeave={() => setOver(null)}
            onDrop={(event) => drop(event, stage)}
          >
            {here.slice(0, MOST_IN_CELL).map((version) => (
              <VersionCard key={version.version} model={model} version={version} may={may} onMove={onMove} />
            ))}
            {here.length > MOST_IN_CELL && (
              <Link to="/models/$name" params={{ name: model.name }} className="quiet board-more">
                {here.length - MOST_IN_CELL} more
              </Link>
            )}
          </div>
        );
      })}
    </div>
  );
}

/** Whether a version may be the next champion without a detour. */
function isCandidate(version: Version): boolean {
  return version.stage === 'Staging' || version.stage === 'None';
}

/** What the gates would say of a version now; asked once it is in sight. */
function GateLight({ model, version }: { model: string; version: number }) {
  const [ref, seen] = useSeen<HTMLSpanElement>();
  const gates = useQuery({ ...gatesQuery(model, version), enabled: seen, staleTime: 300_000, retry: false });
  const failed = gates.data?.conditions.filter((condition) => !condition.passed) ?? [];
  const said = gates.data === undefined ? 'The gates are being asked' : gates.data.passed ? 'Every gate would let it pass' : `A gate would refuse it: ${failed.map((condition) => condition.explanation).join('; ')}`;
  return (
    <span ref={ref} className="gate-hint" data-tone={gates.data === undefined ? undefined : gates.data.passed ? 'ok' : 'bad'} title={said} hidden={gates.isError}>
      <Icon name={gates.data?.passed === false ? 'alert' : 'shield'} size={13} />
      <span className="unseen">{said}</span>
    </span>
  );
}

const AROUND: Partial<Record<string, number>> = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, k: -1, j: 1 };

/** The card before or after one, as they stand on the board. */
function neighbour(card: HTMLElement, step: number): HTMLElement | undefined {
  const cards = [...(card.closest('.board')?.querySelectorAll<HTMLElement>('.version') ?? [])];
  return cards[cards.indexOf(card) + step];
}

function VersionCard({ model, version, may, onMove }: { model: Model; version: Version; may: May; onMove: (model: Model, version: Version, to: Stage) => void }) {
  const champion = model.versions.find((item) => item.version === model.champion);
  const metric = keyMetric(model, version);
  const reference = champion === undefined || champion === version || metric === null ? null : keyMetric(model, champion);
  const delta = metric !== null && reference !== null && reference.key === metric.key ? metric.value - reference.value : null;
  return (
    <article
      className="version"
      draggable={may('models:write')}
      tabIndex={0}
      aria-label={`Version ${version.version} of ${model.name}`}
      aria-keyshortcuts="p ArrowUp ArrowDown ArrowLeft ArrowRight"
      onKeyDown={(event) => {
        if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
        if (event.key === 'p') onMove(model, version, 'Production');
        else if (event.key in AROUND) neighbour(event.currentTarget, AROUND[event.key] ?? 0)?.focus();
        else if (event.key === 'Enter') event.currentTarget.querySelector('a')?.click();
        else return;
        event.preventDefault();
      }}
      onDragStart={(event) => event.dataTransfer.setData('text/plain', `${model.name}\n${version.version}`)}
    >
      <div className="row">
        <Link to="/models/$name/$version" params={{ name: model.name, version: String(version.version) }} className="version-number">
          v{version.version}
        </Link>
        {version.aliases.map((alias) => (
          <span key={alias} className="alias" data-champion={alias === 'champion' || undefined}>
            @{alias}
          </span>
        ))}
        <span className="grow" />
        {model.gates.length > 0 && isCandidate(version) && <GateLight model={model.name} version={version.version} />}
        {may('models:write') && (
          <Menu
            trigger={
              <button type="button" className="icon-button" aria-label={`Move version ${version.version} of ${model.name}`}>
                <Icon name="dots" size={14} />
              </button>
            }
            items={STAGES.filter((stage) => stage !== version.stage).map((stage) => ({
              label: moveName(version.stage, stage) === null ? `To ${stage}: no way` : `${moveName(version.stage, stage) ?? ''} ${stage === 'Production' ? '' : `→ ${stage}`}`.trim(),
              disabled: (whyNot(version, stage) ?? whyMayNot(may, version, stage)) !== null,
              onSelect: () => onMove(model, version, stage),
            }))}
          />
        )}
      </div>
      {metric !== null && (
        <div className="row version-figure">
          <span className="quiet cut">{metric.key}</span>
          <b>{number(metric.value)}</b>
          {delta !== null && (
            <Delta change={delta} less={metric.less} digits={2} than="than the champion" />
          )}
        </div>
      )}
      <div className="quiet version-age">
        <Ago time={version.created} />
        {version.user !== '' && ` · ${version.user}`}
      </div>
    </article>
  );
}
