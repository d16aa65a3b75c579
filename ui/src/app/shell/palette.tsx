/** Go anywhere, by name. */
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Command } from 'cmdk';
import { experimentsQuery, tableQuery } from '@/api/queries';
import { chooseTheme } from '@/shared/chart/theme';
import { Icon, type IconName } from '@/shared/ui/icon';
import { State } from '@/shared/ui/marks';
import { Field, PLACEHOLDER, type PaletteProps } from './search-dialog';

export function Palette({ text, onText, onClose }: PaletteProps) {
  const navigate = useNavigate();
  const experiments = useQuery(experimentsQuery());
  const found = useRuns(text.trim());
  const go = (run: () => unknown) => () => {
    onClose();
    void run();
  };
  return (
    <Command loop>
      <Field>
        <Command.Input value={text} onValueChange={onText} placeholder={PLACEHOLDER} aria-label="Search and commands" autoFocus />
      </Field>
      <Command.List>
        <Command.Empty>Nothing of that name.</Command.Empty>
        <Command.Group heading="Pages">
          <Item icon="home" text="Home" onSelect={go(() => navigate({ to: '/' }))} />
          <Item icon="flask" text="Experiments" onSelect={go(() => navigate({ to: '/experiments' }))} />
          <Item icon="box" text="Models" onSelect={go(() => navigate({ to: '/models' }))} />
          <Item icon="layers" text="Features" onSelect={go(() => navigate({ to: '/features' }))} />
          <Item icon="graph" text="Lineage" onSelect={go(() => navigate({ to: '/lineage' }))} />
          <Item icon="shield" text="Audit" onSelect={go(() => navigate({ to: '/audit' }))} />
          <Item icon="gear" text="Settings" onSelect={go(() => navigate({ to: '/settings' }))} />
        </Command.Group>
        <Command.Group heading="Experiments">
          {experiments.data?.experiments.map((item) => (
            <Item key={item.id} value={`experiment ${item.name} ${item.id}`} icon="flask" text={item.name} onSelect={go(() => navigate({ to: '/experiments/$experiments', params: { experiments: item.id } }))} />
          ))}
        </Command.Group>
        {found.length > 0 && (
          <Command.Group heading="Runs">
            {found.map((run) => (
              <Command.Item key={run.id} value={`run ${run.name} ${run.id} ${text}`} onSelect={go(() => navigate({ to: '/runs/$run', params: { run: run.id } }))}>
                <State state={run.state} bare />
                <span className="cut">{run.name}</span>
                <span className="quiet mono">{run.id.slice(-8)}</span>
              </Command.Item>
            ))}
          </Command.Group>
        )}
        <Command.Group heading="Theme">
          <Item icon="sun" text="Light" onSelect={go(() => chooseTheme('light'))} />
          <Item icon="moon" text="Dark" onSelect={go(() => chooseTheme('dark'))} />
          <Item icon="screen" text="As the system" onSelect={go(() => chooseTheme('system'))} />
        </Command.Group>
      </Command.List>
    </Command>
  );
}

function Item({ icon, text, value, onSelect }: { icon: IconName; text: string; value?: string; onSelect: () => void }) {
  return (
    <Command.Item value={value ?? text} onSelect={onSelect}>
      <Icon name={icon} size={15} />
      <span className="cut">{text}</span>
    </Command.Item>
  );
}

function useRuns(text: string) {
  const literal = text.replaceAll("'", '').replaceAll(/[%_]/g, '');
  const query = tableQuery({ filter: `run_name ILIKE '%${literal}%'`, limit: 8, view: 'active', offset: 0 });
  const found = useQuery({ ...query, enabled: literal.length >= 2 });
  return literal.length >= 2 ? (found.data?.runs ?? []) : [];
}
