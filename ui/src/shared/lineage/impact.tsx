/** What would change if a thing did: of a column or a feature, only what really takes its values. */
import './impact.css';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { Schemas } from '@/api/client';
import { impactQuery, lineageQuery } from '@/api/queries';
import { Select } from '../ui/controls';
import { Failure, Skeleton } from '../ui/feedback';
import { plural, whole as inWhole } from '../ui/format';
import { Icon } from '../ui/icon';
import { Ago, Chip } from '../ui/marks';
import { KINDS, partOf, wholeOf } from './names';
import { PageOf } from './page-of';

type Touched = Schemas['TouchedThing'];

const ORDER = ['group', 'view', 'training_set', 'run', 'logged_model', 'model', 'alias'] as const;
const MOST = 6;

/** The impact of a source or a group, or of a part of it, with the choice of which. */
export function ImpactPanel({ whole: named, urn, onChoose }: { whole: string; urn: string; onChoose: (urn: string) => void }) {
  const around = useQuery(lineageQuery(named, 1, 1));
  const whole = around.data?.root ?? named;
  const parts = (around.data?.nodes ?? []).map((node) => node.urn).filter((part) => wholeOf(part) === whole);
  const options = [...new Set([...parts, ...(urn === whole || urn === named ? [] : [urn])])].sort().map((part) => ({ value: part, label: partOf(part) }));
  return (
    <section className="panel impact" aria-label="What would change">
      <header>
        <h2 className="grow">What would change</h2>
        {(options.length > 0 || wholeOf(urn) !== null) && (
          <Select label="What is changed" prefix="with" value={urn === named ? whole : urn} options={[{ value: whole, label: 'all of it' }, ...options]} onChange={onChoose} />
        )}
      </header>
      <ImpactList urn={urn} />
    </section>
  );
}

function ImpactList({ urn }: { urn: string }) {
  const query = useQuery(impactQuery(urn));
  if (query.data === undefined) return query.isError ? <Failure error={query.error} retry={() => void query.refetch()} /> : <Skeleton lines={4} />;
  const { nodes, services } = query.data;
  const kinds = ORDER.map((kind) => [kind, nodes.filter((node) => node.kind === kind)] as const).filter(([, of]) => of.length > 0);
  return (
    <div className="impact-list" data-old={query.isPlaceholderData || undefined}>
      {kinds.length === 0 && <p className="quiet">Nothing takes its values yet.</p>}
      {services.length > 0 && (
        <div>
          <h3>
            <Icon name="bolt" size={14} /> Answering now
          </h3>
          <ul>
            {services.map((service) => (
              <li key={`${service.model} ${service.version} ${service.role}`}>
                <Link to="/models/$name/$version" params={{ name: service.model, version: String(service.version) }} className="link">
                  {service.model} v{service.version}
                </Link>
                {service.role !== 'main' && <Chip>{service.role}</Chip>}
                <span className="quiet">
                  {inWhole(service.rows)} kept in a day, last <Ago time={service.last} />
                </span>
              </li>
            ))}
          </ul>
        </div>
      )}
      {kinds.map(([kind, of]) => (
        <Kind key={kind} kind={kind} nodes={of} />
      ))}
    </div>
  );
}

function Kind({ kind, nodes }: { kind: (typeof ORDER)[number]; nodes: readonly Touched[] }) {
  const [icon, one, many] = KINDS[kind] ?? ['file', kind, `${kind}s`];
  const rest = nodes.slice(MOST);
  return (
    <div>
      <h3>
        <Icon name={icon} size={14} /> {plural(nodes.length, one.toLowerCase(), many.toLowerCase())}
      </h3>
      <ul>
        {nodes.slice(0, MOST).map((node) => (
          <Thing key={node.urn} node={node} />
        ))}
      </ul>
      {rest.length > 0 && (
        <details>
          <summary className="quiet">{inWhole(rest.length)} more</summary>
          <ul>
            {rest.map((node) => (
              <Thing key={node.urn} node={node} />
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

const TONES: Record<string, 'ok' | 'accent'> = { Production: 'ok', Staging: 'accent' };

function Thing({ node }: { node: Touched }) {
  return (
    <li>
      <PageOf urn={node.urn} className="link impact-name">
        {node.label}
      </PageOf>
      {node.stage !== '' && node.stage !== 'None' && <Chip tone={TONES[node.stage] ?? 'quiet'}>{node.stage}</Chip>}
      {node.features.length > 0 && (
        <span className="impact-features">
          {node.features.map((feature) => (
            <code key={feature}>{feature}</code>
          ))}
        </span>
      )}
    </li>
  );
}
