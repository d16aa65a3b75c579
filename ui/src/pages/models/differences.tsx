/** A version beside another: figures on the same data, params, data, code, packages. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { differencesQuery, type Model, type Version } from '@/api/models';
import { Select, Switch } from '@/shared/ui/controls';
import { Failure, Skeleton } from '@/shared/ui/feedback';
import { Delta } from './delta';

export function Differences({ model, version, against, onChoose }: { model: Model; version: Version; against: number | undefined; onChoose: (against: number | undefined) => void }) {
  const others = model.versions.filter((one) => one.version !== version.version);
  const chosen = others.find((one) => one.version === against);
  const [all, setAll] = useState(false);
  if (others.length === 0) return null;
  const options = [{ value: '', label: 'no version' }, ...others.map((one) => ({ value: String(one.version), label: `v${one.version}${one.version === model.champion ? ', the champion' : one.stage === 'None' ? '' : `, ${one.stage}`}` }))];
  return (
    <section className="panel" aria-label="Compared">
      <header>
        <h2 className="grow">Compared</h2>
        {chosen !== undefined && <Switch label="What is equal too" checked={all} onChange={setAll} />}
        <Select label="Compared with" prefix="with" value={chosen === undefined ? '' : String(chosen.version)} options={options} onChange={(value) => onChoose(value === '' ? undefined : Number(value))} />
      </header>
      {chosen === undefined ? <p className="panel-body quiet">Choose another version to see what differs: figures on the same data, params, data, code, packages.</p> : <Lines name={model.name} a={chosen.version} b={version.version} all={all} />}
    </section>
  );
}

function Lines({ name, a, b, all }: { name: string; a: number; b: number; all: boolean }) {
  const query = useQuery({ ...differencesQuery(name, a, b), placeholderData: keepPreviousData });
  if (query.data === undefined) return query.isError ? <Failure error={query.error} retry={() => void query.refetch()} /> : <Skeleton lines={4} />;
  const shown = query.data.lines.filter((line) => all || line.differs);
  const sections = [...new Set(shown.map((line) => line.section))];
  if (shown.length === 0) return <p className="panel-body quiet">The two differ in nothing that is known of them.</p>;
  return (
    <div className="table-scroll" tabIndex={0} role="group" aria-label="Differences">
      <table className="grid-table differences" aria-label={`Version ${b} beside version ${a}`} data-old={query.isPlaceholderData || undefined}>
        <thead>
          <tr>
            <th>What</th>
            <th className="num">v{a}</th>
            <th className="num">v{b}</th>
            <th className="num">Change</th>
          </tr>
        </thead>
        {sections.map((section) => (
          <tbody key={section}>
            <tr>
              <th colSpan={4} scope="rowgroup">
                {section}
              </th>
            </tr>
            {shown
              .filter((line) => line.section === section)
              .map((line) => (
                <tr key={line.name}>
                  <td>{line.name}</td>
                  <td className="num">{line.a}</td>
                  <td className="num">{line.b}</td>
                  <td className="num">
                    {typeof line.change === 'number' && line.differs && <Delta change={line.change} less={line.better === null ? null : line.better === line.change < 0} digits={3} than={`than v${a}`} />}
                  </td>
                </tr>
              ))}
          </tbody>
        ))}
      </table>
    </div>
  );
}
