/** Which version of a view is pinned by whom: models that were trained on it, and services that answer with it. */
import { useQueries, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { modelsQuery, type Model, type Version } from '@/api/models';
import { impactQuery } from '@/api/queries';
import { Failure, Skeleton } from '@/shared/ui/feedback';
import { whole } from '@/shared/ui/format';
import { Ago, Chip } from '@/shared/ui/marks';

interface Pin {
  model: Model;
  version: Version;
}

const TONES: Partial<Record<Version['stage'], 'ok' | 'accent'>> = { Production: 'ok', Staging: 'accent' };

export function Pins({ name, versions }: { name: string; versions: readonly number[] }) {
  const models = useQuery(modelsQuery());
  const pinned = new Map([...versions].reverse().map((version) => [version, pinsOf(models.data?.models ?? [], `${name}:${version}`)] as const));
  const used = [...pinned].filter(([, pins]) => pins.length > 0);
  const served = useQueries({ queries: used.map(([version]) => impactQuery(`view:${name}:${version}`)) });
  return (
    <section className="panel" aria-label="Pinned by">
      <header>
        <h2 className="grow">Pinned by</h2>
        <span className="quiet">a model reads the version that it was trained on</span>
      </header>
      {models.isPending && <Skeleton />}
      {models.isError && models.data === undefined && <Failure error={models.error} retry={() => void models.refetch()} />}
      {models.data !== undefined && used.length === 0 && <p className="panel-body quiet">No registered model reads this view yet: log one with run.log_model(…, view=&quot;{name}&quot;).</p>}
      <ul className="lines pins">
        {used.map(([number, pins], index) => (
          <li key={number}>
            <b>v{number}</b>
            <ul className="grow">
              {pins.map(({ model, version }) => {
                const answers = served[index]?.data?.services.filter((service) => service.model === model.name && service.version === version.version) ?? [];
                return (
                  <li key={`${model.name} ${version.version}`}>
                    <Link to="/models/$name/$version" params={{ name: model.name, version: String(version.version) }} className="link">
                      {model.name} v{version.version}
                    </Link>
                    {version.stage !== 'None' && <Chip tone={TONES[version.stage] ?? 'quiet'}>{version.stage}</Chip>}
                    {version.aliases.map((alias) => (
                      <span key={alias} className="alias" data-champion={alias === 'champion' || undefined}>
                        @{alias}
                      </span>
                    ))}
                    {answers.map((service) => (
                      <span key={service.role} className="quiet">
                        {service.role === 'main' ? 'serves' : `serves as ${service.role}`}: {whole(service.rows)} kept in a day, last <Ago time={service.last} />
                      </span>
                    ))}
                  </li>
                );
              })}
            </ul>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Versions of models that read a version of a view: those that may serve first, then the newest. */
export function pinsOf(models: readonly Model[], view: string): Pin[] {
  const rank = { Production: 0, Staging: 1, None: 2, Archived: 3 };
  return models
    .flatMap((model) => model.versions.filter((version) => version.view === view).map((version) => ({ model, version })))
    .sort((a, b) => rank[a.version.stage] - rank[b.version.stage] || b.version.version - a.version.version || a.model.name.localeCompare(b.model.name));
}
