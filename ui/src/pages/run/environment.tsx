/** Where a run came from: the process, the software and the machine. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo, type ReactNode } from 'react';
import { fileTextQuery, filesQuery } from '@/api/queries';
import { clock } from '@/shared/ui/format';
import { Count, Facts } from '@/shared/ui/marks';
import { CAPTURED, PACKAGES, originOf } from '@/shared/origin';
import type { Run } from './run';


export function Environment({ run }: { run: Run }) {
  const files = useQuery(filesQuery(run.id));
  const isKept = (path: string) => files.data?.files.some((file) => file.path === path) === true;
  const { data } = useQuery({ ...fileTextQuery(run.id, CAPTURED), enabled: isKept(CAPTURED) });
  const { facts, variables } = useMemo(() => originOf(data?.text, run), [data, run]);
  const items: [string, ReactNode][] = [['Started', clock(Date.parse(run.start))], ['Run id', <code key="id">{run.id}</code>], ...facts];
  if (isKept(PACKAGES)) {
    items.push([
      'Packages',
      <Link key="packages" to="/runs/$run" params={{ run: run.id }} search={{ tab: 'artifacts', file: PACKAGES }} className="link">
        requirements.txt
      </Link>,
    ]);
  }
  return (
    <section className="panel">
      <header>
        <h2>Environment</h2>
      </header>
      <div className="panel-body">
        <Facts items={items} />
        {variables.length > 0 && (
          <details className="variables">
            <summary>
              Variables <Count value={variables.length} />
            </summary>
            <Facts items={variables} />
          </details>
        )}
      </div>
    </section>
  );
}
