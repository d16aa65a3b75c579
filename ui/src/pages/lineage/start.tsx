/** Where to begin: name a thing, or take one of what there is. */
import './lineage.css';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { modelsQuery } from '@/api/models';
import { catalogQuery } from '@/api/queries';
import { urnOf } from '@/shared/lineage/names';
import { useMay } from '@/shared/may';
import { Button, Input } from '@/shared/ui/controls';
import { Empty, Failure, Skeleton } from '@/shared/ui/feedback';

const PLURALS = { source: 'Sources', group: 'Feature groups', view: 'Feature views' } as const;

export function LineageStart() {
  const [text, setText] = useState('');
  const navigate = useNavigate();
  const catalog = useQuery(catalogQuery());
  const models = useQuery({ ...modelsQuery(), enabled: useMay()('models:read') });
  const versioned = (models.data?.models ?? []).filter(({ versions }) => versions.length > 0);
  return (
    <div className="page">
      <header className="page-head">
        <h1 className="grow">Lineage</h1>
      </header>
      <div className="page-body lineage-start">
        <form
          className="row"
          onSubmit={(event) => {
            event.preventDefault();
            if (text.trim() !== '') void navigate({ to: '/lineage/$', params: { _splat: text.trim() } });
          }}
        >
          <Input className="grow" icon="graph" placeholder="models:/name@champion, run:0123…, view:ranking, source:ratings.stars" aria-label="Name of a thing" value={text} onChange={(event) => setText(event.target.value)} autoFocus />
          <Button tone="primary" type="submit" disabled={text.trim() === ''}>
            Show
          </Button>
        </form>
        {catalog.isPending && <Skeleton lines={5} />}
        {catalog.isError && <Failure error={catalog.error} retry={() => void catalog.refetch()} />}
        {catalog.data !== undefined && catalog.data.source.length === 0 && !models.isPending && versioned.length === 0 && (
          <Empty icon="graph" title="From the source to the prediction">
            Sources, features, training sets, runs and models are connected here by themselves, as they are defined, used and logged.
            <p>
              <Link to="/features" className="button">
                Define the first features
              </Link>
            </p>
          </Empty>
        )}
        {catalog.data !== undefined &&
          (Object.keys(PLURALS) as (keyof typeof PLURALS)[]).map((kind) => (
            <section key={kind}>
              {catalog.data[kind].length > 0 && <h2>{PLURALS[kind]}</h2>}
              <ul className="lineage-choices">
                {catalog.data[kind].map((item) => (
                  <li key={item.name}>
                    <Link to="/lineage/$" params={{ _splat: urnOf(item) }} className="button">
                      {item.name}
                    </Link>
                  </li>
                ))}
              </ul>
            </section>
          ))}
        {versioned.length > 0 && (
          <section>
            <h2>Models</h2>
            <ul className="lineage-choices">
              {versioned.map(({ name, champion }) => (
                <li key={name}>
                  <Link to="/lineage/$" params={{ _splat: `models:/${name}${champion === null ? '' : '@champion'}` }} className="button">
                    {name}
                  </Link>
                </li>
              ))}
            </ul>
          </section>
        )}
      </div>
    </div>
  );
}
