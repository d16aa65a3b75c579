/** What is done with the runs that are shown: compare, tag, delete and restore, each with a way back. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { post } from '@/api/client';
import { useMay } from '@/shared/may';
import { Button, IconButton, Input } from '@/shared/ui/controls';
import { plural } from '@/shared/ui/format';
import { Dialog } from '@/shared/ui/overlays';
import { toast } from '@/shared/ui/toasts';
import type { Change } from './experiment';
import type { ExperimentSearch } from './search';
import type { Selection } from './selection';

export function Actions({ selection, search, change, compare }: { selection: Selection; search: ExperimentSearch; change: Change; compare: (ids: readonly string[]) => void }) {
  const [tagging, setTagging] = useState(false);
  const stage = useStage();
  const writes = useMay()('runs:write');
  const ids = [...selection.ids];
  const deleted = search.deleted === true;
  const move = (to: 'active' | 'deleted') => {
    const back = to === 'active' ? 'deleted' : 'active';
    stage.mutate(
      { runs: ids, stage: to },
      {
        onSuccess: () => {
          change({ show: undefined });
          toast(`${plural(ids.length, 'run')} ${to === 'deleted' ? 'deleted' : 'restored'}`, { undo: () => stage.mutate({ runs: ids, stage: back }) });
        },
      },
    );
  };
  return (
    <div className="actions">
      <span className="quiet">{selection.size === 0 ? 'None shown' : `${selection.size} shown${selection.chosen ? '' : ', the newest'}`}</span>
      {selection.chosen && <IconButton icon="undo" label="Show the first ten again" size={14} onClick={selection.reset} />}
      <span className="grow" />
      <Button tone="quiet" icon="compare" disabled={selection.size < 2} onClick={() => compare(ids)}>
        Compare
      </Button>
      {writes && selection.chosen && selection.size > 0 && !deleted && (
        <>
          <Button tone="quiet" icon="tag" onClick={() => setTagging(true)}>
            Tag
          </Button>
          <Button tone="quiet" icon="trash" busy={stage.isPending} onClick={() => move('deleted')}>
            Delete
          </Button>
        </>
      )}
      {writes && deleted && (
        <Button tone="quiet" icon="undo" disabled={selection.size === 0} busy={stage.isPending} onClick={() => move('active')}>
          Restore
        </Button>
      )}
      {tagging && <TagDialog runs={ids} onClose={() => setTagging(false)} />}
    </div>
  );
}

function useStage() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: { runs: string[]; stage: 'active' | 'deleted' }) => post('/api/v1/runs/update', body),
    onSettled: () => client.invalidateQueries(),
    onError: (error) => toast(error.message, { bad: true }),
  });
}

function TagDialog({ runs, onClose }: { runs: string[]; onClose: () => void }) {
  const [key, setKey] = useState('');
  const [value, setValue] = useState('');
  const client = useQueryClient();
  const set = useMutation({
    mutationFn: () => post('/api/v1/runs/update', { runs, set: { [key.trim()]: value } }),
    onSuccess: () => {
      toast(`Tagged ${plural(runs.length, 'run')}`, { undo: () => void post('/api/v1/runs/update', { runs, remove: [key.trim()] }).then(() => client.invalidateQueries()) });
      onClose();
    },
    onError: (error) => toast(error.message, { bad: true }),
    onSettled: () => client.invalidateQueries(),
  });
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Tag ${plural(runs.length, 'run')}`}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button tone="primary" type="submit" form="tag" disabled={key.trim() === ''} busy={set.isPending}>
            Set the tag
          </Button>
        </>
      }
    >
      <form
        id="tag"
        className="row"
        onSubmit={(event) => {
          event.preventDefault();
          set.mutate();
        }}
      >
        <Input className="grow" placeholder="team" aria-label="Key" value={key} maxLength={250} onChange={(event) => setKey(event.target.value)} autoFocus />
        <Input className="grow" placeholder="ranking" aria-label="Value" value={value} onChange={(event) => setValue(event.target.value)} />
      </form>
    </Dialog>
  );
}
