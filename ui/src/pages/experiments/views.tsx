/** The saved views of an experiment, the team's and this browser's own: to show, save, share and forget. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { meQuery } from '@/api/accounts';
import { changeTags, experimentsQuery } from '@/api/queries';
import { Button, Input } from '@/shared/ui/controls';
import { Icon } from '@/shared/ui/icon';
import { Popover } from '@/shared/ui/overlays';
import { toast } from '@/shared/ui/toasts';
import { keepViews, LONGEST, sharedViews, tagOf, viewsOf, type SharedView, type View } from '@/shared/views';
import type { Change } from './experiment';
import { readExperimentSearch, type ExperimentSearch } from './search';

const EVERYTHING: (keyof ExperimentSearch)[] = ['q', 'sort', 'cols', 'show', 'by', 'band', 'mode', 'x', 'smooth', 'ylog', 'xlog', 'deleted', 'axes'];

export function Views({ experiments, search, change }: { experiments: string; search: ExperimentSearch; change: Change }) {
  const [own, setOwn] = useState(() => viewsOf(experiments));
  const [name, setName] = useState('');
  const [open, setOpen] = useState(false);
  const me = useQuery(meQuery());
  const known = useQuery(experimentsQuery());
  const client = useQueryClient();
  const mayShare = me.data?.permissions.includes('runs:write') === true;
  const shared = sharedViews(known.data?.experiments ?? []).filter((view) => view.of === experiments);
  const keepOwn = (next: View[]) => {
    setOwn(next);
    keepViews(experiments, next);
  };
  const write = useMutation({
    mutationFn: ({ tag, text }: { tag: string; text: string | null }) => changeTags(experiments.split(',')[0] ?? '', text === null ? {} : { [tag]: text }, text === null ? [tag] : []),
    onError: (error) => toast(error.message, { bad: true }),
    onSettled: () => client.invalidateQueries({ queryKey: ['experiments'] }),
  });
  const share = (view: View, done: () => void) => {
    const made = tagOf(view, experiments, me.data?.name ?? '', shared);
    if (made.text.length > LONGEST) toast('The view holds more than the server keeps of one: take fewer columns', { bad: true });
    else write.mutate(made, { onSuccess: done });
  };
  const save = () => {
    const title = name.trim();
    if (title === '') return;
    const view = { name: title, search: { ...search, show: undefined } };
    const saved = (where: string) => {
      setName('');
      toast(`Saved the view “${title}” ${where}`);
    };
    if (mayShare) share(view, () => saved('for everybody here'));
    else {
      keepOwn([...own.filter((other) => other.name !== title), view]);
      saved('in this browser');
    }
  };
  const forget = (view: SharedView) =>
    write.mutate(
      { tag: view.tag, text: null },
      { onSuccess: () => toast(`Forgot the view “${view.name}”`, { undo: () => write.mutate({ tag: view.tag, text: tagOf(view, view.of, view.by, []).text }) }) },
    );
  const show = (view: View) => {
    change({ ...Object.fromEntries(EVERYTHING.map((key) => [key, undefined])), ...readExperimentSearch(view.search) });
    setOpen(false);
  };
  return (
    <Popover label="Saved views" align="end" open={open} onOpenChange={setOpen} trigger={<Button tone="quiet" icon="save">Views</Button>}>
      {shared.length + own.length === 0 && <p className="quiet chooser-text">A view keeps the filter, order, columns, groups and charts as they are now, under a name.</p>}
      <ul className="views">
        {shared.map((view) => (
          <Line key={view.tag} view={view} hint={view.by} onShow={() => show(view)} onForget={mayShare ? () => forget(view) : null} />
        ))}
        {own.map((view) => (
          <Line
            key={`own ${view.name}`}
            view={view}
            hint="this browser"
            onShow={() => show(view)}
            onForget={() => keepOwn(own.filter((other) => other.name !== view.name))}
            {...(mayShare && { onShare: () => share(view, () => keepOwn(own.filter((other) => other.name !== view.name))) })}
          />
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
        <Button type="submit" busy={write.isPending} disabled={name.trim() === ''}>
          Save
        </Button>
      </form>
      <p className="quiet chooser-text">{mayShare ? 'Everybody who uses this server sees it.' : 'It is kept in this browser: you may not change the experiment.'}</p>
    </Popover>
  );
}

function Line({ view, hint, onShow, onForget, onShare }: { view: View; hint: string; onShow: () => void; onForget: (() => void) | null; onShare?: () => void }) {
  return (
    <li>
      <button type="button" className="view" onClick={onShow}>
        <span className="cut">{view.name}</span>
        {hint !== '' && <span className="quiet view-hint">{hint}</span>}
      </button>
      {onShare !== undefined && (
        <Button tone="quiet" onClick={onShare}>
          Share
        </Button>
      )}
      {onForget !== null && (
        <button type="button" className="icon-button" aria-label={`Forget ${view.name}`} onClick={onForget}>
          <Icon name="close" size={12} />
        </button>
      )}
    </li>
  );
}
