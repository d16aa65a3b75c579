/** Which version an alias named when, as lines of time; a press on a reign of the champion that is over goes back to it. */
import { useQuery } from '@tanstack/react-query';
import type { Schemas } from '@/api/client';
import { timelineQuery, type Model } from '@/api/models';
import { Failure } from '@/shared/ui/feedback';
import { clock, duration } from '@/shared/ui/format';
import { Ago } from '@/shared/ui/marks';
import { sharesOf } from './shares';

type Reign = Schemas['ModelReign'];

export function Reigns({ model, onBack }: { model: Model; onBack: ((version: number) => void) | null }) {
  const query = useQuery(timelineQuery(model.name));
  if (query.isError && query.data === undefined) return <Failure error={query.error} retry={() => void query.refetch()} />;
  const told = (query.data ?? []).filter(({ reigns }) => reigns.length > 0);
  if (told.length === 0) return null;
  const now = query.dataUpdatedAt;
  return (
    <section className="panel" aria-label="Aliases over time">
      {told.map(({ alias, reigns }) => (
        <div key={alias} className="alias-line" role="group" aria-label={`@${alias} over time`}>
          <header>
            <h2 className="grow">@{alias} over time</h2>
            <span className="quiet">
              since <Ago time={reigns[0]?.began} />
              {reigns.at(-1)?.ended !== null && ', names nothing now'}
            </span>
          </header>
          <Line reigns={reigns} now={now} canGo={({ version }) => onBack !== null && alias === 'champion' && version !== model.champion && model.versions.some((one) => one.version === version && one.reigned)} onBack={onBack} />
        </div>
      ))}
    </section>
  );
}

function Line({ reigns, now, canGo, onBack }: { reigns: readonly Reign[]; now: number; canGo: (reign: Reign) => boolean; onBack: ((version: number) => void) | null }) {
  const shares = sharesOf(reigns, now);
  return (
    <ol className="reigns">
      {reigns.map((reign, index) => {
        const holds = reign.ended === null;
        const can = !holds && canGo(reign);
        const lasted = duration(((reign.ended === null ? now : Date.parse(reign.ended)) - Date.parse(reign.began)) / 1000);
        const said = `v${reign.version}, ${holds ? 'since' : 'from'} ${clock(Date.parse(reign.began))}, ${lasted}; ${reign.action} by ${reign.user}${reign.reason === '' ? '' : `: ${reign.reason}`}`;
        return (
          <li key={`${reign.version} ${reign.began}`} style={{ flexGrow: shares[index] }}>
            <button type="button" className="reign" data-now={holds || undefined} data-forced={reign.forced || undefined} disabled={!can} title={can ? `${said}. Press to go back to it.` : said} aria-label={can ? `Back to version ${reign.version}` : said} onClick={() => onBack?.(reign.version)}>
              <b>v{reign.version}</b>
              <span className="cut">{lasted}</span>
              <span className="cut quiet">{reign.user}</span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}
