/** What a run was given and what came out. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { lazy, memo, Suspense, useMemo, useRef, useState } from 'react';
import { childrenQuery } from '@/api/queries';
import { isMerit } from '@/shared/merit';
import { Input } from '@/shared/ui/controls';
import { Skeleton } from '@/shared/ui/feedback';
import { bytes, number, whole } from '@/shared/ui/format';
import { Icon } from '@/shared/ui/icon';
import { Chip, Count, Lasted, State } from '@/shared/ui/marks';
import { Name } from '@/shared/ui/name';
import { Environment } from './environment';
import type { Run } from './run';
import { treeOf, withNames, type Branch } from './tree';

const Markdown = lazy(() => import('@/shared/ui/markdown').then((module) => ({ default: module.Markdown })));

export function Overview({ run }: { run: Run }) {
  const note = run.tags['mlflow.note.content'];
  const error = run.tags['headrace.error'];
  const thinned = Number(run.tags['headrace.thinned_points'] ?? 0);
  const tags = Object.entries(run.tags).filter(([key]) => !key.startsWith('mlflow.') && !key.startsWith('headrace.'));
  return (
    <div className="page-body overview">
      {error !== undefined && (
        <div className="run-error" role="alert">
          <Icon name="alert" />
          <pre>{error}</pre>
        </div>
      )}
      {thinned > 0 && (
        <div className="run-error run-warning" role="note">
          <Icon name="alert" />
          <span>
            {whole(thinned)} points of this run are missing: its disk was full and no server took them, so every second one of the
            oldest was given up.
          </span>
        </div>
      )}
      {note !== undefined && note !== '' && (
        <section className="panel">
          <header>
            <h2>Note</h2>
          </header>
          <div className="panel-body prose">
            <Suspense fallback={<Skeleton />}>
              <Markdown text={note} />
            </Suspense>
          </div>
        </section>
      )}
      <div className="overview-columns">
        <div className="overview-column">
          <Summary run={run} />
          <Inputs run={run} />
          <Children run={run} />
        </div>
        <div className="overview-column">
          <Config run={run} />
          {tags.length > 0 && (
            <section className="panel">
              <header>
                <h2>Tags</h2>
              </header>
              <div className="panel-body tag-list">
                {tags.map(([key, value]) => (
                  <Chip key={key} title={`${key}: ${value}`}>
                    {key}: {value}
                  </Chip>
                ))}
              </div>
            </section>
          )}
          <Models run={run} />
          <Environment run={run} />
        </div>
      </div>
    </div>
  );
}

/** A list of more can be searched. */
const MANY = 12;
const METRIC_ROW = 33;
/** Rows beside those in sight: short tables are there as a whole, for whoever searches the page. */
const SPARE_ROWS = 50;

function Summary({ run }: { run: Run }) {
  const [text, setText] = useState('');
  const host = useRef<HTMLDivElement>(null);
  const all = useMemo(() => Object.entries(run.metrics), [run.metrics]);
  const wanted = text.toLowerCase();
  const shown = useMemo(() => (wanted === '' ? all : all.filter(([key]) => key.toLowerCase().includes(wanted))), [all, wanted]);
  const virtual = useVirtualizer({ count: shown.length, getScrollElement: () => host.current, estimateSize: () => METRIC_ROW, getItemKey: (index) => shown[index]?.[0] ?? index, overscan: SPARE_ROWS });
  const items = virtual.getVirtualItems();
  const [above, below] = [items[0]?.start ?? 0, virtual.getTotalSize() - (items.at(-1)?.end ?? 0)];
  return (
    <section className="panel">
      <header>
        <h2 className="grow">
          Metrics <Count value={all.length} />
        </h2>
        {all.length > MANY && <Input icon="search" placeholder="Find" aria-label="Find a metric" value={text} onChange={(event) => setText(event.target.value)} />}
      </header>
      {all.length === 0 ? (
        <p className="panel-body quiet">{none(run)}</p>
      ) : (
        <div className="summary" ref={host} tabIndex={0} role="group" aria-label="Metrics">
          <table className="grid-table" aria-rowcount={shown.length + 1}>
            <thead>
              <tr>
                <th>Metric</th>
                <th className="num">Last</th>
                <th className="num">Min</th>
                <th className="num">Max</th>
                <th className="num">Best step</th>
                <th className="num">Last step</th>
                <th className="num">Points</th>
              </tr>
            </thead>
            <tbody>
              <Spacer height={above} />
              {items.map(({ index, key }) => (
                <SummaryRow key={String(key)} at={index} entry={shown[index]} measure={virtual.measureElement} />
              ))}
              <Spacer height={below} />
            </tbody>
          </table>
          {shown.length === 0 && <p className="panel-body quiet">No metric of that name.</p>}
        </div>
      )}
    </section>
  );
}

function Spacer({ height }: { height: number }) {
  return height > 0 ? <tr className="summary-space" aria-hidden="true" style={{ height }} /> : null;
}

const SummaryRow = memo(function SummaryRow({ at, entry, measure }: { at: number; entry: [string, Run['metrics'][string]] | undefined; measure: (node: Element | null) => void }) {
  if (entry === undefined) return null;
  const [key, metric] = entry;
  const goal = isMerit(key) ? metric.goal : null;
  const best = goal === 'min' ? metric.low_step : goal === 'max' ? metric.high_step : null;
  return (
    <tr ref={measure} data-index={at} aria-rowindex={at + 2}>
      <td className="summary-key">
        <Name text={key} />
      </td>
      <td className="num" title={String(metric.value)}>
        <b>{number(metric.value)}</b>
      </td>
      <td className="num" data-best={goal === 'min' || undefined}>
        {number(metric.low)}
      </td>
      <td className="num" data-best={goal === 'max' || undefined}>
        {number(metric.high)}
      </td>
      <td className="num quiet">{best === null ? '–' : whole(best)}</td>
      <td className="num quiet">{whole(metric.step)}</td>
      <td className="num quiet">{whole(metric.count)}</td>
    </tr>
  );
});

/** Of a run that goes on, some may come. */
function none({ status }: Run): string {
  return status === 'RUNNING' ? 'None yet.' : 'None were logged.';
}

function Config({ run }: { run: Run }) {
  const [text, setText] = useState('');
  const tree = useMemo(() => treeOf(withNames(run.params, text)), [run.params, text]);
  const size = Object.keys(run.params).length;
  return (
    <section className="panel">
      <header>
        <h2 className="grow">
          Params <Count value={size} />
        </h2>
        {size > MANY && <Input icon="search" placeholder="Find" aria-label="Find a param" value={text} onChange={(event) => setText(event.target.value)} />}
      </header>
      {tree.length === 0 ? <p className="panel-body quiet">{size === 0 ? none(run) : 'No param of that name or value.'}</p> : <ul className="config panel-body">{tree.map((branch) => <ConfigBranch key={branch.name} branch={branch} />)}</ul>}
    </section>
  );
}

function ConfigBranch({ branch }: { branch: Branch }) {
  if (branch.children.length === 0) {
    return (
      <li className="config-leaf">
        <span className="config-key">
          <Name text={branch.name} />
        </span>
        {branch.value === '' ? <span className="quiet">empty</span> : <code>{branch.value}</code>}
      </li>
    );
  }
  return (
    <li>
      <details open>
        <summary>
          {branch.name} <Count value={branch.children.length} />
        </summary>
        <ul>
          {branch.children.map((child) => (
            <ConfigBranch key={child.name} branch={child} />
          ))}
        </ul>
      </details>
    </li>
  );
}

function Inputs({ run }: { run: Run }) {
  if (run.inputs.length === 0) return null;
  return (
    <section className="panel">
      <header>
        <h2>Data that was read</h2>
      </header>
      <ul className="lines">
        {run.inputs.map((input) => (
          <li key={`${input.name} ${input.digest} ${input.context}`}>
            <Icon name="layers" size={15} />
            <span className="grow">
              <b>{input.name}</b> {input.context !== '' && <Chip>{input.context}</Chip>}
              <span className="quiet lines-more">
                {input.source === '' ? input.source_type : input.source} · <span className="mono">{input.digest.slice(0, 12)}</span>
              </span>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Models({ run }: { run: Run }) {
  if (run.models.length === 0) return null;
  return (
    <section className="panel">
      <header>
        <h2>Logged models</h2>
      </header>
      <ul className="lines">
        {run.models.map((model) => (
          <li key={model.id}>
            <Icon name="box" size={15} />
            <span className="grow">
              <b>{model.name}</b> <Chip>{model.flavor}</Chip>
              <span className="quiet lines-more">
                {bytes(model.size)}
                {model.view !== '' && ` · reads ${model.view}`} · <span className="mono">{model.id}</span>
              </span>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Children({ run }: { run: Run }) {
  const { data } = useQuery(childrenQuery(run.id));
  if (data === undefined || data.runs.length === 0) return null;
  return (
    <section className="panel">
      <header>
        <h2>
          Nested runs <Count value={data.runs.length} />
        </h2>
      </header>
      <ul className="lines">
        {data.runs.map((child) => (
          <li key={child.id}>
            <State state={child.state} bare />
            <Link to="/runs/$run" params={{ run: child.id }} className="grow cut link">
              {child.name}
            </Link>
            <span className="quiet">
              <Lasted run={child} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
