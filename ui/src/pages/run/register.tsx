/** Makes a version of a registered model from what a run logged. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useId, useState } from 'react';
import { modelsQuery, register } from '@/api/models';
import { Button, Field, Input, Select } from '@/shared/ui/controls';
import { Failure, Skeleton } from '@/shared/ui/feedback';
import { Dialog } from '@/shared/ui/overlays';
import { proposed, registeredOf } from './registered';
import type { Run } from './run';

export function RegisterDialog({ run, onClose }: { run: Run; onClose: () => void }) {
  const client = useQueryClient();
  const models = useQuery(modelsQuery());
  const known = models.data?.models ?? [];
  const [chosen, setChosen] = useState(run.models.at(-1)?.id ?? '');
  const [typed, setTyped] = useState<string | null>(null);
  const list = useId();
  const logged = run.models.find((model) => model.id === chosen);
  const name = (typed ?? proposed(known, chosen, run.id, logged?.name ?? '')).trim();
  const before = registeredOf(known, chosen);
  const isNew = name !== '' && !known.some((model) => model.name === name);
  const make = useMutation({
    mutationFn: () => register(run.id, chosen, name, isNew),
    onSettled: () => client.invalidateQueries({ queryKey: ['models'] }),
  });
  if (make.data !== undefined) {
    const { name: made, version } = make.data;
    return (
      <Dialog open onClose={onClose} title={`${made} version ${version}`} text="It is registered, and stands in no stage yet." actions={<Link className="button button-primary" to="/models/$name/$version" params={{ name: made, version }}>Open the version</Link>}>
        <p className="quiet">Its page has its gates, what it takes and gives, and its lineage from this run.</p>
      </Dialog>
    );
  }
  return (
    <Dialog
      open
      onClose={onClose}
      title="Register a model of this run"
      text="A registered model has versions, stages and gates."
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button tone={before.length > 0 ? 'plain' : 'primary'} icon="box" busy={make.isPending} disabled={name === '' || models.data === undefined} onClick={() => make.mutate()}>
            {isNew ? 'Make the model and its version 1' : before.length > 0 ? 'Register one more version' : 'Register a version'}
          </Button>
        </>
      }
    >
      {run.models.length > 1 && <Select label="Logged model" prefix="Logged as" value={chosen} options={run.models.map((model) => ({ value: model.id, label: model.name }))} onChange={setChosen} />}
      {models.isPending && <Skeleton lines={2} />}
      {models.isError && models.data === undefined && <Failure error={models.error} retry={() => void models.refetch()} />}
      {before.length > 0 && (
        <p role="status">
          It is registered already, as{' '}
          {before.map(({ model, version }, index) => (
            <span key={`${model} ${version.version}`}>
              {index > 0 && ', '}
              <Link to="/models/$name/$version" params={{ name: model, version: String(version.version) }} className="link">
                {model} v{version.version}
              </Link>
              {version.stage !== 'None' && ` (${version.stage})`}
            </span>
          ))}
          . Another version would have the same files.
        </p>
      )}
      {models.data !== undefined && (
        <Field label="Registered model" hint={isNew ? 'No model has this name yet: it is made.' : 'It gets one more version.'}>
          <Input autoFocus list={list} maxLength={250} value={typed ?? name} onChange={(event) => setTyped(event.target.value)} />
        </Field>
      )}
      <datalist id={list}>
        {known.map((model) => (
          <option key={model.name} value={model.name} />
        ))}
      </datalist>
      {make.isError && (
        <p className="wrong" role="alert">
          {make.error.message}
        </p>
      )}
    </Dialog>
  );
}
