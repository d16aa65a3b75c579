/** Who was champion when, as a line of time; a press on a reign that is over goes back to it. */
import { useQuery } from '@tanstack/react-query';
import { timelineQuery, type Model } from '@/api/models';
import { Failure } from '@/shared/ui/feedback';
import { clock, duration } from '@/shared/ui/format';
import { Ago } from '@/shared/ui/marks';
import { sharesOf } from './shares';

export function Reigns({ model, onBack }: { model: Model; onBack: (version: number) => void }) {
  const query = useQuery(timelineQuery(model.name));
  if (query.isError && query.data === undefined) return <Failure error={query.error} retry={() => void query.refetch()} />;
  const reigns = query.data ?? [];
  const [first] = reigns;
  if (first === undefined) return null;
  const shares = sharesOf(reigns, query.dataUpdatedAt);
  return (
    <section className="panel" aria-label="Champions">
      <header>
        <h2 className="grow">@champion over time</h2>
        <span className="quiet">
          since <Ago time={first.began} />
        </span>
      </header>
      <ol className="reigns">
        {reigns.map((reign, index) => {
          const now = reign.ended === null;
          const can = !now && reign.version !== model.champion && model.versions.some((version) => version.version === reign.version && version.reigned);
          const lasted = duration(((now ? query.dataUpdatedAt : Date.parse(reign.ended ?? '')) - Date.parse(reign.began)) / 1000);
          const said = `v${reign.version}, ${now ? 'since' : 'from'} ${clock(Date.parse(reign.began))}, ${lasted}; ${reign.action} by ${reign.user}${reign.reason === '' ? '' : `: ${reign.reason}`}`;
          return (
            <li key={`${reign.version} ${reign.began}`} style={{ flexGrow: shares[index] }}>
              <button type="button" className="reign" data-now={now || undefined} data-forced={reign.forced || undefined} disabled={!can} title={can ? `${said}. Press to go back to it.` : said} aria-label={can ? `Back to version ${reign.version}` : said} onClick={() => onBack(reign.version)}>
                <b>v{reign.version}</b>
                <span className="cut">{lasted}</span>
                <span className="cut quiet">{reign.user}</span>
              </button>
            </li>
          );
        })}
      </ol>
    </section>
  );
}
