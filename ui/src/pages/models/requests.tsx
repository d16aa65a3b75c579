/** Requests to move a version: asked for by one, approved or refused by another, with what was said. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { meQuery } from '@/api/accounts';
import { ask, remark, requestsQuery, type Stage, type TransitionRequest } from '@/api/models';
import { useLimit, useMay } from '@/shared/may';
import { Button, Field, Input, Select } from '@/shared/ui/controls';
import { Failure } from '@/shared/ui/feedback';
import { Ago, Chip, type Tone } from '@/shared/ui/marks';
import { Dialog } from '@/shared/ui/overlays';
import { toast } from '@/shared/ui/toasts';

type Kind = TransitionRequest['remarks'][number]['kind'];
const SAID: Record<Kind, string> = { comment: 'says', approve: 'approved', reject: 'refused', withdraw: 'withdrew it' };
const STATUS: Record<TransitionRequest['status'], [Tone, string]> = { open: ['accent', 'waits'], done: ['ok', 'done'], rejected: ['bad', 'refused'], withdrawn: ['quiet', 'withdrawn'] };

export function Requests({ name, version, stages }: { name: string; version: number; stages: readonly Stage[] }) {
  const query = useQuery(requestsQuery(name, version));
  const [asking, setAsking] = useState(false);
  const requests = query.data ?? [];
  const asks = useMay()('models:write');
  const limit = useLimit();
  return (
    <section className="panel" aria-label="Requests">
      <header>
        <h2 className="grow">Requests</h2>
        {asks && stages.length > 0 && !requests.some((item) => item.status === 'open') && <Button onClick={() => setAsking(true)}>Ask for a move</Button>}
      </header>
      {query.isError && query.data === undefined && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.data?.length === 0 && <p className="panel-body quiet">Nobody asked for this version to be moved.</p>}
      {requests.map((request) => (
        <Request key={request.id} request={request} />
      ))}
      {!asks && <p className="panel-body quiet">You may look at models and not change them. {limit}</p>}
      {asking && <Ask name={name} version={version} stages={stages} onClose={() => setAsking(false)} />}
    </section>
  );
}

function Request({ request }: { request: TransitionRequest }) {
  const me = useQuery(meQuery()).data;
  const client = useQueryClient();
  const [text, setText] = useState('');
  const say = useMutation({
    mutationFn: (kind: Kind) => remark(request.id, kind, text.trim()),
    onSuccess: (now) => {
      setText('');
      if (now.status === 'done') toast(`${now.name} version ${now.version} is in ${now.stage}`);
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['models'] }),
  });
  const [tone, status] = STATUS[request.status];
  const own = me !== undefined && me.name !== null && me.name === request.user;
  const may = useMay();
  const approves = may('models:approve');
  return (
    <article className="request panel-body" aria-label={`Request of ${request.user}`}>
      <div className="row">
        <Chip tone={tone}>{status}</Chip>
        <span className="grow">
          <b>{request.user}</b> asks for <b>{request.stage}</b>
        </span>
        <Ago time={request.created} />
      </div>
      {request.reason !== '' && <p className="request-text">{request.reason}</p>}
      <ol className="request-remarks">
        {request.remarks.map((item, index) => (
          <li key={index}>
            <b>{item.user}</b> <span data-kind={item.kind}>{SAID[item.kind]}</span>
            {item.text !== '' && <>: {item.text}</>}{' '}
            <span className="quiet">
              <Ago time={item.time} />
            </span>
          </li>
        ))}
      </ol>
      {request.status === 'open' && may('models:write') && (
        <>
          <Input aria-label="What you say" placeholder="What you say" maxLength={2000} value={text} onChange={(event) => setText(event.target.value)} />
          <div className="row request-verbs">
            {!own && approves && (
              <Button tone="primary" busy={say.isPending} onClick={() => say.mutate('approve')}>
                Approve
              </Button>
            )}
            {!own && approves && (
              <Button tone="bad" busy={say.isPending} onClick={() => say.mutate('reject')}>
                Refuse
              </Button>
            )}
            <Button busy={say.isPending} disabled={text.trim() === ''} onClick={() => say.mutate('comment')}>
              Comment
            </Button>
            {(own || me?.open === true) && (
              <Button tone="quiet" busy={say.isPending} onClick={() => say.mutate('withdraw')}>
                Withdraw
              </Button>
            )}
          </div>
          <p className="quiet">{own ? 'You asked, so somebody else decides.' : approves ? `${request.user} asked, so that you may decide.` : 'An approver decides.'}</p>
        </>
      )}
      {say.isError && (
        <p className="wrong" role="alert">
          {say.error.message}
        </p>
      )}
    </article>
  );
}

function Ask({ name, version, stages, onClose }: { name: string; version: number; stages: readonly Stage[]; onClose: () => void }) {
  const client = useQueryClient();
  const [to, setTo] = useState<Stage>(stages.find((stage) => stage === 'Production') ?? stages[0] ?? 'Staging');
  const [reason, setReason] = useState('');
  const make = useMutation({
    mutationFn: () => ask(name, version, to, reason.trim()),
    onSuccess: () => {
      toast('Asked; whoever may approve sees it at home');
      onClose();
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['models'] }),
  });
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Ask for ${name} version ${version} to be moved`}
      text="Somebody else approves it; then it is moved, if its gates agree."
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button tone="primary" busy={make.isPending} onClick={() => make.mutate()}>
            Ask
          </Button>
        </>
      }
    >
      <Select label="Where to" prefix="To" value={to} options={stages.map((stage) => ({ value: stage, label: stage }))} onChange={setTo} />
      <Field label="Why">
        <Input autoFocus maxLength={2000} value={reason} onChange={(event) => setReason(event.target.value)} />
      </Field>
      {make.isError && (
        <p className="wrong" role="alert">
          {make.error.message}
        </p>
      )}
    </Dialog>
  );
}
