/** The dialogs that change what is written of a model or a version, what names a version, and that end either. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { deleteAlias, setAlias, type Model, type TextChange, type Version } from '@/api/models';
import { Button, Field, IconButton, Input } from '@/shared/ui/controls';
import { Dialog } from '@/shared/ui/overlays';
import { toast } from '@/shared/ui/toasts';
import { changeOf, type Texts } from './texts';

function Wrong({ error }: { error: Error | null }) {
  return error === null ? null : (
    <p className="wrong" role="alert">
      {error.message}
    </p>
  );
}

/** Description, owner and tags. Only what was changed is sent, so that it undoes nobody else's change of the rest. */
export function EditDialog({ what, texts, save, onClose }: { what: string; texts: Texts; save: (change: TextChange) => Promise<unknown>; onClose: () => void }) {
  const client = useQueryClient();
  const [before] = useState(texts);
  const [description, setDescription] = useState(texts.description);
  const [owner, setOwner] = useState(texts.owner);
  const [tags, setTags] = useState<(readonly [string, string])[]>(Object.entries(texts.tags));
  const named = tags.map(([key, value]) => [key.trim(), value] as const).filter(([key, value]) => key !== '' || value !== '');
  const isTwice = new Set(named.map(([key]) => key)).size < named.length;
  const isNameless = named.some(([key]) => key === '');
  const write = useMutation({
    mutationFn: () => save(changeOf(before, { description, owner: owner.trim(), tags: Object.fromEntries(named) })),
    onSuccess: () => {
      toast(`${what} is changed`);
      onClose();
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['models'] }),
  });
  const put = (place: number, tag: readonly [string, string]) => setTags((now) => now.map((one, index) => (index === place ? tag : one)));
  return (
    <Dialog
      open
      wide
      onClose={onClose}
      title={`Edit ${what}`}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button tone="primary" busy={write.isPending} disabled={isTwice || isNameless} onClick={() => write.mutate()}>
            Save
          </Button>
        </>
      }
    >
      <Field label="Description" hint="Markdown.">
        <textarea className="text-area" autoFocus value={description} onChange={(event) => setDescription(event.target.value)} />
      </Field>
      <Field label="Owner" hint="Who answers for it; empty for nobody.">
        <Input maxLength={250} value={owner} onChange={(event) => setOwner(event.target.value)} />
      </Field>
      <fieldset className="edit-tags">
        <legend>Tags</legend>
        {tags.map(([key, value], place) => (
          <div key={place} className="row">
            <Input className="grow" aria-label={`Name of tag ${place + 1}`} placeholder="name" value={key} onChange={(event) => put(place, [event.target.value, value])} />
            <Input className="grow" aria-label={`Value of tag ${place + 1}`} placeholder="value" value={value} onChange={(event) => put(place, [key, event.target.value])} />
            <IconButton icon="close" label={`Remove tag ${key === '' ? place + 1 : key}`} onClick={() => setTags((now) => now.filter((_, index) => index !== place))} />
          </div>
        ))}
        <Button icon="plus" onClick={() => setTags((now) => [...now, ['', '']])}>
          Add a tag
        </Button>
      </fieldset>
      {(isTwice || isNameless) && (
        <p className="wrong" role="alert">
          {isTwice ? 'Two tags have the same name.' : 'A tag has a value and no name.'}
        </p>
      )}
      <Wrong error={write.error} />
    </Dialog>
  );
}

/** Aliases of a version, but those that follow the stages. */
export function AliasDialog({ model, version, onClose }: { model: Model; version: Version; onClose: () => void }) {
  const client = useQueryClient();
  const [alias, setText] = useState('');
  const wanted = alias.trim().replace(/^@/, '');
  const holder = model.versions.find((one) => one.aliases.includes(wanted));
  const settled = () => client.invalidateQueries({ queryKey: ['models'] });
  const add = useMutation({
    mutationFn: () => setAlias(model.name, wanted, version.version),
    onSuccess: () => {
      toast(`@${wanted} names version ${version.version}`);
      setText('');
    },
    onSettled: settled,
  });
  const drop = useMutation({ mutationFn: (name: string) => deleteAlias(model.name, name), onSuccess: (_, name) => toast(`@${name} names nothing now`), onSettled: settled });
  const own = version.aliases.filter((name) => name !== 'champion' && name !== 'challenger');
  return (
    <Dialog open onClose={onClose} title={`Aliases of ${model.name} version ${version.version}`} text="Programs load a version by its alias, models:/NAME@ALIAS. The aliases champion and challenger follow the stages." actions={<Button onClick={onClose}>Close</Button>}>
      {own.length > 0 && (
        <ul className="lines">
          {own.map((name) => (
            <li key={name}>
              <span className="alias grow">@{name}</span>
              <Button tone="quiet" busy={drop.isPending && drop.variables === name} aria-label={`Remove @${name}`} onClick={() => drop.mutate(name)}>
                Remove
              </Button>
            </li>
          ))}
        </ul>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (wanted !== '') add.mutate();
        }}
      >
        <Field label="New alias" hint={holder !== undefined && holder.version !== version.version ? `It names version ${holder.version} now, and is moved here.` : 'For example blue, nightly.'}>
          <Input autoFocus maxLength={255} value={alias} onChange={(event) => setText(event.target.value)} />
        </Field>
        <Button type="submit" tone="primary" icon="plus" busy={add.isPending} disabled={wanted === ''}>
          Add
        </Button>
      </form>
      <Wrong error={add.error ?? drop.error} />
    </Dialog>
  );
}

export function DeleteDialog({ what, text, end, onDone, onClose }: { what: string; text: string; end: () => Promise<unknown>; onDone: () => void; onClose: () => void }) {
  const client = useQueryClient();
  const gone = useMutation({
    mutationFn: end,
    onSuccess: () => {
      toast(`${what} is deleted`);
      onDone();
      return client.invalidateQueries({ queryKey: ['models'], exact: true });
    },
  });
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Delete ${what}?`}
      text={text}
      actions={
        <>
          <Button autoFocus onClick={onClose}>
            Keep it
          </Button>
          <Button tone="bad" busy={gone.isPending} onClick={() => gone.mutate()}>
            Delete
          </Button>
        </>
      }
    >
      <Wrong error={gone.error} />
    </Dialog>
  );
}
