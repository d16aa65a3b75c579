/** The saved views of an experiment: to show, save and forget. */
import { useState } from 'react';
import { Button, Input } from '@/shared/ui/controls';
import { Icon } from '@/shared/ui/icon';
import { Popover } from '@/shared/ui/overlays';
import { toast } from '@/shared/ui/toasts';
import { keepViews, viewsOf, type View } from '@/shared/views';
import type { Change } from './experiment';
import { readExperimentSearch, type ExperimentSearch } from './search';

const EVERYTHING: (keyof ExperimentSearch)[] = ['q', 'sort', 'cols', 'show', 'by', 'band', 'mode', 'x', 'smooth', 'ylog', 'xlog', 'deleted', 'axes'];

export function Views({ experiments, search, change }: { experiments: string; search: ExperimentSearch; change: Change }) {
  const [views, setViews] = useState(() => viewsOf(experiments));
  const [name, setName] = useState('');
  const [open, setOpen] = useState(false);
  const keep = (next: View[]) => {
    setViews(next);
    keepViews(experiments, next);
  };
  const save = () => {
    const title = name.trim();
    if (title === '') return;
    keep([...views.filter((view) => view.name !== title), { name: title, search: { ...search, show: undefined } }]);
    setName('');
    toast(`Saved the view “${title}”`);
  };
  const show = (view: View) => {
    change({ ...Object.fromEntries(EVERYTHING.map((key) => [key, undefined])), ...readExperimentSearch(view.search) });
    setOpen(false);
  };
  return (
    <Popover label="Saved views" align="end" open={open} onOpenChange={setOpen} trigger={<Button tone="quiet" icon="save">Views</Button>}>
      {views.length === 0 && <p className="quiet chooser-text">A view keeps the filter, order, columns, groups and charts as they are now, under a name.</p>}
      <ul className="views">
        {views.map((view) => (
          <li key={view.name}>
            <button type="button" className="view" onClick={() => show(view)}>
              <span className="cut">{view.name}</span>
            </button>
            <button type="button" className="icon-button" aria-label={`Forget ${view.name}`} onClick={() => keep(views.filter((other) => other.name !== view.name))}>
              <Icon name="close" size={12} />
            </button>
          </li>
        ))}
      </ul>
      <form
        className="row"
        onSubmit={(event) => {
          event.preventDefault();
          save();
        }}
      >
        <Input className="grow" placeholder="Name of the view" aria-label="Name of the view" value={name} maxLength={80} onChange={(event) => setName(event.target.value)} />
        <Button type="submit" disabled={name.trim() === ''}>
          Save
        </Button>
      </form>
    </Popover>
  );
}
