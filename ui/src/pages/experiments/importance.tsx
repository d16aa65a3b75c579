/** What mattered for a metric: params by how much of its spread goes with them. */
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { tableQuery } from '@/api/queries';
import { Select } from '@/shared/ui/controls';
import { Empty, Failure, Skeleton } from '@/shared/ui/feedback';
import { plural } from '@/shared/ui/format';
import { mattered } from './mattered';
import type { PlotProps } from './plots';
import { runsOf } from './table-query';

const MOST_RUNS = 5000;
const MOST_PARAMS = 100;

export function Importance({ experiments, search, keys, change }: PlotProps) {
  const metrics = Object.keys(keys?.metrics ?? {}).filter((key) => !key.startsWith('system/'));
  const params = useMemo(() => Object.keys(keys?.params ?? {}).slice(0, MOST_PARAMS), [keys]);
  const [given = ''] = search.axes ?? [];
  const metric = metrics.includes(given) ? given : (metrics[0] ?? '');
  const columns = [`metrics.${metric}`, ...params.map((param) => `params.${param}`)];
  const query = useQuery({ ...tableQuery({ ...runsOf(experiments, search, columns), limit: MOST_RUNS }), enabled: metric !== '' });
  const shares = useMemo(() => {
    const found = query.data?.columns;
    if (found === undefined) return null;
    return mattered(found[`metrics.${metric}`] ?? [], Object.fromEntries(params.map((param) => [param, found[`params.${param}`] ?? []])));
  }, [query.data, metric, params]);
  return (
    <div className="plot">
      <div className="plot-options">
        <Select label="Metric" prefix="what mattered for" value={metric} options={metrics.map((key) => ({ value: key, label: key }))} onChange={(key) => change({ axes: [key] })} />
        <span className="quiet">{query.data !== undefined && `over ${plural(query.data.runs.length, 'run')}`}</span>
      </div>
      {query.isError && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.isPending && metric !== '' && <Skeleton lines={4} />}
      {shares?.length === 0 && <Empty icon="bolt" title="Nothing to tell yet">It takes four runs or more whose params differ.</Empty>}
      {shares !== null && shares.length > 0 && (
        <div className="panel">
          <ol className="mattered">
            {shares.map((share) => (
              <li key={share.param}>
                <span className="cut" title={share.param}>
                  {share.param}
                </span>
                <span className="mattered-bar">
                  <i style={{ width: `${Math.max(0.5, share.strength * 100)}%` }} data-way={share.way} />
                </span>
                <b>{Math.round(share.strength * 100)}%</b>
                <span className="quiet">{share.way === 0 ? 'by kind' : share.way > 0 ? 'more goes with more' : 'more goes with less'}</span>
              </li>
            ))}
          </ol>
          <p className="quiet mattered-note">The share of the metric’s spread that goes with each param by itself. It tells what to look at, not what causes what.</p>
        </div>
      )}
    </div>
  );
}
