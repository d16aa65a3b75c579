/** Asks for one entity: what the online store says now, as a service would be told, beside what history says as of the same moment. */
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Schemas } from '@/api/client';
import { compareStores, freshnessQuery, lookUp } from '@/api/features';
import type { Definition } from '@/api/queries';
import { Button, Input } from '@/shared/ui/controls';
import { Snippet } from '@/shared/ui/feedback';
import { number, plural } from '@/shared/ui/format';
import { Ago, Chip, type Tone } from '@/shared/ui/marks';
import { groupsOf, inputsOf, keysOf, typed, type GroupSpec } from './spec';

type Verdict = Schemas['FeatureParity']['verdicts'][number];

const VERDICTS: Record<Verdict, readonly [Tone, string, string]> = {
  equal: ['ok', 'equal', 'The same value, to the bit'],
  differs: ['bad', 'differs', 'The two values differ'],
  missing: ['warn', 'missing online', 'History has a value, the online store hasn’t'],
  unknown: ['warn', 'online alone', 'The online store has a value that history knows nothing of'],
};

/** `through` where the view isn’t what the page is about. */
export function LookUp({ view, groups, entities, bases, through = false }: { through?: boolean; view: Definition; groups: ReadonlyMap<string, GroupSpec>; entities: readonly Definition[]; bases: readonly Definition[] }) {
  const keys = keysOf(view, groups, entities);
  const inputs = inputsOf(view, groups, keys);
  const fields: (readonly [string, string])[] = [...keys, ...inputs.map((name) => [name, ''] as const)];
  const [values, setValues] = useState<Record<string, string>>({});
  const [wrong, setWrong] = useState('');
  const online = useMutation({ mutationFn: (asked: Record<string, unknown>) => lookUp(view.id, asked) });
  const both = useMutation({ mutationFn: (asked: Record<string, unknown>) => compareStores(view.id, asked) });
  const entitiesNow = () => Object.fromEntries(fields.map(([name, type]) => [name, [typed(name, type, values[name] ?? '')]]));
  const ask = () => {
    try {
      const asked = entitiesNow();
      setWrong('');
      both.reset();
      online.mutate(asked, { onSuccess: () => both.mutate(asked) });
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
    }
  };
  const body = JSON.stringify({ view: view.name, entities: Object.fromEntries(fields.map(([name, type]) => [name, [shown(name, type, values[name] ?? '')]])) });
  const fault = wrong !== '' ? wrong : (online.error?.message ?? '');
  return (
    <section className="panel" aria-label="Look up">
      <header>
        <h2 className="grow">Look up</h2>
        {through && <span className="quiet">through the view {view.name}</span>}
      </header>
      <form
        className="panel-body look-up"
        onSubmit={(event) => {
          event.preventDefault();
          ask();
        }}
      >
        {fields.map(([name, type]) => (
          <label key={name}>
            <span>
              {name} <span className="quiet">{type === '' ? 'input' : type}</span>
            </span>
            <Input value={values[name] ?? ''} onChange={(event) => setValues((now) => ({ ...now, [name]: event.target.value }))} aria-label={name} />
          </label>
        ))}
        <Button tone="primary" type="submit" busy={online.isPending} disabled={fields.some(([name]) => (values[name] ?? '') === '')}>
          Read the values now
        </Button>
        {fault !== '' && (
          <p className="wrong" role="alert">
            {fault}
          </p>
        )}
        {online.data !== undefined && <Answer online={online.data} both={both.data} waits={both.isPending} />}
        {both.isError && (
          <p className="wrong" role="alert">
            History can’t be read: {both.error.message}
          </p>
        )}
        {both.data !== undefined && !both.data.equal && <Why view={view} bases={bases} />}
        <Snippet text={`curl ${location.origin}/api/v1/features/online -d '${body}'`} />
      </form>
    </section>
  );
}

function shown(name: string, type: string, text: string): unknown {
  try {
    return text === '' ? '…' : typed(name, type, text);
  } catch {
    return text;
  }
}

function told(value: unknown): string {
  if (value === null || value === undefined) return '–';
  return typeof value === 'number' ? number(value) : typeof value === 'string' ? value : JSON.stringify(value);
}

function Answer({ online, both, waits }: { online: Schemas['OnlineFeatures']; both: Schemas['Parity'] | undefined; waits: boolean }) {
  const features = both === undefined ? [] : Object.values(both.features);
  const off = features.filter((feature) => feature.verdicts[0] !== 'equal').length;
  const values = (online.values ?? {}) as Record<string, unknown[]>;
  const statuses = (online.statuses ?? {}) as Record<string, string[]>;
  return (
    <div className="answer" role="status">
      <p className="row">
        {both === undefined ? (
          <span className="quiet">{waits ? 'History is being read …' : ''}</span>
        ) : off === 0 ? (
          <Chip tone="ok">{features.length === 1 ? 'the feature is equal in both stores' : `all ${features.length} features are equal in both stores`}</Chip>
        ) : (
          <Chip tone="bad">{plural(off, 'feature')} of {features.length} not equal</Chip>
        )}
        <span className="quiet grow" />
        {both !== undefined && (
          <span className="quiet">
            as of <Ago time={both.at} />
          </span>
        )}
      </p>
      <div className="table-scroll" tabIndex={0} role="group" aria-label="What both stores say">
        <table className="grid-table answer-table" aria-label="Online against offline">
          <thead>
            <tr>
              <th>Feature</th>
              <th>Online</th>
              <th>Offline</th>
              <th>
                <span className="unseen">Whether they are equal</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {Object.entries(values).map(([name, [value]]) => {
              const parity = both?.features[name];
              const status = parity?.statuses[0] ?? statuses[name]?.[0];
              const [tone, word, why] = VERDICTS[parity?.verdicts[0] ?? 'equal'];
              return (
                <tr key={name}>
                  <td title={name}>{name}</td>
                  <td className="answer-value">
                    {told(parity === undefined ? value : parity.online[0])} {status !== undefined && status !== 'PRESENT' && <Chip tone="warn">{status}</Chip>}
                  </td>
                  <td className="answer-value">{parity === undefined ? <span className="quiet">{waits ? '…' : '–'}</span> : told(parity.offline[0])}</td>
                  <td>
                    {parity !== undefined && (
                      <Chip tone={tone} title={why}>
                        {word}
                      </Chip>
                    )}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </div>
  );
}

/** What may be behind values that aren't equal: rows that haven't reached the online store. */
function Why({ view, bases }: { view: Definition; bases: readonly Definition[] }) {
  const freshness = useQuery(freshnessQuery());
  const read = groupsOf(view);
  const waiting = bases.filter((group) => read.includes(group.name) && isBehind(freshness.data?.[group.basis]));
  if (waiting.length === 0) return <p className="quiet">No rows wait to be brought online. <code>headrace verify {view.name}</code> compares all that was served with history.</p>;
  return (
    <p className="quiet">
      Rows of {waiting.map((group) => group.name).join(', ')} aren’t online yet: <code>headrace materialize</code> brings them there.
    </p>
  );
}

function isBehind(fresh: Schemas['GroupFreshness'] | undefined): boolean {
  return fresh !== undefined && (fresh.waiting || fresh.lag > 0);
}
