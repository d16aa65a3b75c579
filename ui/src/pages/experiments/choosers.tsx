/** Which columns the table has, and what runs are grouped by. */
import { useDeferredValue, useState } from 'react';
import type { Schemas } from '@/api/client';
import type { Band } from '@/shared/chart/series';
import { Button, Checkbox, Input, Segmented } from '@/shared/ui/controls';
import { Popover } from '@/shared/ui/overlays';
import type { Change } from './experiment';

type Keys = Schemas['RunKeys'] | undefined;

const MOST = 300;

function columnsOf(keys: Keys, kinds: readonly ('metrics' | 'params' | 'tags')[]): [string, string, number][] {
  return kinds.flatMap((kind) =>
    Object.entries(keys?.[kind] ?? {})
      .filter(([key]) => kind !== 'tags' || key !== 'mlflow.runName')
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([key, count]): [string, string, number] => [`${kind}.${key}`, key, count]),
  );
}

export function ColumnChooser({ keys, chosen, change }: { keys: Keys; chosen: readonly string[]; change: Change }) {
  const set = (cols: readonly string[]) => change({ cols: cols.length === 0 ? [''] : [...cols] });
  return (
    <Popover label="Columns" align="end" trigger={<Button icon="columns">Columns</Button>}>
      <KeyList
        groups={(['metrics', 'params', 'tags'] as const).map((kind) => [kind, columnsOf(keys, [kind])])}
        chosen={chosen}
        onToggle={(column, on) => set(on ? [...chosen.filter((item) => item !== ''), column] : chosen.filter((item) => item !== column))}
      />
      <footer className="chooser-foot">
        <Button tone="quiet" onClick={() => change({ cols: undefined })}>
          As at first
        </Button>
      </footer>
    </Popover>
  );
}

export function GroupChooser({ keys, chosen, band, change }: { keys: Keys; chosen: readonly string[]; band: Band; change: Change }) {
  const set = (by: readonly string[]) => change({ by: by.length === 0 ? undefined : [...by] });
  const named = chosen.map((column) => column.slice(column.indexOf('.') + 1)).join(', ');
  return (
    <Popover label="Group by" align="end" trigger={<Button icon="group" className={chosen.length > 0 ? 'is-on' : ''}><span className="cut group-name">{named === '' ? 'Group' : named}</span></Button>}>
      <p className="quiet chooser-text">Runs of a group become their mean and a band.</p>
      <Segmented
        label="Band"
        value={band}
        choices={[
          { value: 'std', label: 'Deviation' },
          { value: 'se', label: 'Error' },
          { value: 'range', label: 'Min–max' },
        ]}
        onChange={(next) => change({ band: next === 'std' ? undefined : next })}
      />
      <KeyList
        groups={(['params', 'tags'] as const).map((kind) => [kind, columnsOf(keys, [kind])])}
        chosen={chosen}
        onToggle={(column, on) => set(on ? [...chosen, column] : chosen.filter((item) => item !== column))}
      />
    </Popover>
  );
}

function KeyList({ groups, chosen, onToggle }: { groups: [string, [string, string, number][]][]; chosen: readonly string[]; onToggle: (column: string, on: boolean) => void }) {
  const [text, setText] = useState('');
  const wanted = useDeferredValue(text.toLowerCase());
  return (
    <>
      <Input icon="search" placeholder="Find" aria-label="Find" value={text} onChange={(event) => setText(event.target.value)} className="chooser-find" />
      <div className="chooser">
        {groups.map(([kind, list]) => {
          const fitting = list.filter(([, key]) => key.toLowerCase().includes(wanted));
          if (fitting.length === 0) return null;
          return (
            <section key={kind}>
              <h3>{kind}</h3>
              {fitting.slice(0, MOST).map(([column, key, count]) => (
                <label key={column} className="chooser-row">
                  <Checkbox checked={chosen.includes(column)} label={key} onChange={(on) => onToggle(column, on)} />
                  <span className="cut grow" title={key}>
                    {key}
                  </span>
                  <span className="quiet">{count}</span>
                </label>
              ))}
              {fitting.length > MOST && <p className="quiet">{fitting.length - MOST} more; find them by name</p>}
            </section>
          );
        })}
      </div>
    </>
  );
}
