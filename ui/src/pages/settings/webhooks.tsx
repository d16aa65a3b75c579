/** Webhooks: whom the registry tells, a ping to try one, what was sent and what came back. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { changeWebhook, createWebhook, deliveriesQuery, removeWebhook, replayDelivery, testWebhook, webhooksQuery, type Delivery, type Webhook, type WebhookEvent } from '@/api/webhooks';
import { Button, Checkbox, Field, Input, Select, Switch } from '@/shared/ui/controls';
import { Empty, Failure, Skeleton } from '@/shared/ui/feedback';
import { plural } from '@/shared/ui/format';
import { Icon } from '@/shared/ui/icon';
import { Ago, Chip, type Tone } from '@/shared/ui/marks';
import { Dialog, Menu } from '@/shared/ui/overlays';
import { toast } from '@/shared/ui/toasts';

/** Events in the order in which a person thinks of them. */
const EVENTS: readonly (readonly [string, readonly Exclude<WebhookEvent, '*'>[]])[] = [
  ['Versions', ['model_version.created', 'model_version.promoted', 'model_version.refused', 'model_version.rolled_back', 'model_version.stage_changed', 'model_version.updated', 'model_version.deleted']],
  ['Requests', ['transition_request.opened', 'transition_request.approved', 'transition_request.rejected', 'transition_request.withdrawn', 'transition_request.commented']],
  ['Models', ['registered_model.created', 'registered_model.updated', 'registered_model.renamed', 'registered_model.deleted']],
  ['Aliases and tags', ['model_version_alias.created', 'model_version_alias.deleted', 'model_version_tag.set', 'model_version_tag.deleted']],
];

export function Webhooks({ shown }: { shown: string | undefined }) {
  const query = useQuery(webhooksQuery());
  const [making, setMaking] = useState(false);
  if (query.data === undefined) return query.isError ? <Failure error={query.error} retry={() => void query.refetch()} /> : <Skeleton lines={6} />;
  const chosen = query.data.find((item) => item.id === shown);
  return (
    <>
      {query.data.length === 0 ? (
        <Empty icon="bell" title="Tell others what happens">
          <p>A webhook is sent a signed message when a version is registered, promoted, refused or rolled back.</p>
          <Button tone="primary" icon="plus" onClick={() => setMaking(true)}>
            New webhook
          </Button>
        </Empty>
      ) : (
        <section className="panel">
          <header>
            <h2 className="grow">Webhooks</h2>
            <Button icon="plus" onClick={() => setMaking(true)}>
              New webhook
            </Button>
          </header>
          <ul className="lines">
            {query.data.map((webhook) => (
              <Line key={webhook.id} webhook={webhook} isShown={webhook.id === shown} />
            ))}
          </ul>
        </section>
      )}
      {chosen !== undefined && <Deliveries key={chosen.id} webhook={chosen} />}
      {making && <NewWebhook onClose={() => setMaking(false)} />}
    </>
  );
}

function nameOf(webhook: Webhook): string {
  return webhook.name === '' ? webhook.url : webhook.name;
}

function Line({ webhook, isShown }: { webhook: Webhook; isShown: boolean }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const again = () => client.invalidateQueries({ queryKey: ['webhooks'] });
  const wrong = (error: Error) => toast(error.message, { bad: true });
  const ping = useMutation({
    mutationFn: () => testWebhook(webhook.id),
    onSuccess: (sent) => {
      toast(sent.status === 'done' ? `${nameOf(webhook)} answered ${sent.code ?? ''}` : `${nameOf(webhook)} failed: ${sent.answer}`, { bad: sent.status !== 'done' });
      void navigate({ to: '/settings', search: { part: 'webhooks', webhook: webhook.id } });
    },
    onError: wrong,
    onSettled: again,
  });
  const change = useMutation({ mutationFn: (active: boolean) => changeWebhook(webhook.id, { active }), onError: wrong, onSettled: again });
  const forget = useMutation({ mutationFn: () => removeWebhook(webhook.id), onSuccess: () => toast(`${nameOf(webhook)} is told nothing any more`), onError: wrong, onSettled: again });
  return (
    <li aria-current={isShown || undefined} className="webhook">
      <Icon name="bell" size={15} />
      <span className="grow">
        <Link to="/settings" search={{ part: 'webhooks', webhook: webhook.id }} className="item-name">
          {nameOf(webhook)}
        </Link>
        <span className="quiet lines-more">
          {webhook.name !== '' && `${webhook.url} · `}
          {webhook.events.includes('*') ? 'every event' : webhook.events.join(', ')}
          {webhook.model !== '' && ` · of ${webhook.model}`}
          {webhook.description !== '' && ` · ${webhook.description}`}
        </span>
      </span>
      {webhook.signed ? <Chip tone="ok">signed</Chip> : <Chip tone="warn">not signed</Chip>}
      {!webhook.active && <Chip tone="bad">off</Chip>}
      <Button busy={ping.isPending} onClick={() => ping.mutate()}>
        Send a test
      </Button>
      <Menu
        trigger={<Button tone="quiet" icon="dots" aria-label={`More about ${nameOf(webhook)}`} />}
        items={[
          { label: webhook.active ? 'Switch off' : 'Switch on', icon: webhook.active ? 'close' : 'check', onSelect: () => change.mutate(!webhook.active) },
          { label: 'Remove it and its deliveries', icon: 'trash', bad: true, onSelect: () => forget.mutate() },
        ]}
      />
    </li>
  );
}

const TONES: Record<Delivery['status'], Tone> = { done: 'ok', failed: 'bad', waiting: 'warn' };

function Deliveries({ webhook }: { webhook: Webhook }) {
  const query = useQuery(deliveriesQuery(webhook.id));
  return (
    <section className="panel" aria-label="Deliveries">
      <header>
        <h2 className="grow">Sent to {nameOf(webhook)}</h2>
        {query.data !== undefined && <span className="quiet">{plural(query.data.length, 'delivery', 'deliveries')}</span>}
      </header>
      {query.isPending && <Skeleton />}
      {query.isError && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.data?.length === 0 && <p className="panel-body quiet">Nothing was sent yet. Send a test, or promote a model.</p>}
      <ul className="lines">
        {query.data?.map((delivery) => (
          <DeliveryLine key={delivery.id} delivery={delivery} />
        ))}
      </ul>
    </section>
  );
}

function DeliveryLine({ delivery }: { delivery: Delivery }) {
  const client = useQueryClient();
  const replay = useMutation({
    mutationFn: () => replayDelivery(delivery.id),
    onSuccess: () => toast('It is sent once more, under its own id'),
    onError: (error) => toast(error.message, { bad: true }),
    onSettled: () => client.invalidateQueries({ queryKey: ['webhooks', delivery.webhook, 'deliveries'] }),
  });
  return (
    <li className="delivery">
      <Chip tone={TONES[delivery.status]}>{delivery.status === 'done' ? String(delivery.code ?? 'done') : delivery.status}</Chip>
      <details className="grow">
        <summary>
          <b>{delivery.event}</b>{' '}
          <span className="quiet">
            <Ago time={delivery.created} /> · {plural(delivery.attempts, 'attempt')}
            {delivery.status === 'waiting' && delivery.attempts > 0 && (
              <>
                {' '}
                · next <Ago time={delivery.due} />
              </>
            )}
          </span>
        </summary>
        {delivery.answer !== '' && <p className={delivery.status === 'done' ? 'quiet' : 'wrong'}>{delivery.answer}</p>}
        <pre className="delivery-payload" tabIndex={0} aria-label="What was sent">
          {JSON.stringify(delivery.payload, null, 2)}
        </pre>
      </details>
      <Button tone="quiet" icon="undo" busy={replay.isPending} disabled={delivery.status === 'waiting'} onClick={() => replay.mutate()}>
        Send again
      </Button>
    </li>
  );
}

function NewWebhook({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const [url, setUrl] = useState('https://');
  const [name, setName] = useState('');
  const [secret, setSecret] = useState('');
  const [model, setModel] = useState('');
  const [style, setStyle] = useState<'headrace' | 'mlflow'>('headrace');
  const [every, setEvery] = useState(true);
  const [events, setEvents] = useState<ReadonlySet<WebhookEvent>>(() => new Set<WebhookEvent>(['model_version.promoted', 'model_version.rolled_back']));
  const make = useMutation({
    mutationFn: () => createWebhook({ url: url.trim(), name: name.trim(), model: model.trim(), secret, description: '', style, events: every ? ['*'] : [...events] }),
    onSuccess: (webhook) => {
      toast(`${nameOf(webhook)} is told from now on`);
      onClose();
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['webhooks'] }),
  });
  const choose = (event: WebhookEvent, chosen: boolean) => setEvents((now) => new Set(chosen ? [...now, event] : [...now].filter((item) => item !== event)));
  return (
    <Dialog
      open
      onClose={onClose}
      title="New webhook"
      text="It is sent JSON by POST. A message that isn’t taken is sent again, later and later."
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button tone="primary" busy={make.isPending} disabled={!every && events.size === 0} onClick={() => make.mutate()}>
            Make the webhook
          </Button>
        </>
      }
    >
      <Field label="Address">
        <Input autoFocus type="url" value={url} onChange={(event) => setUrl(event.target.value)} />
      </Field>
      <Field label="Name" hint="What to call it here.">
        <Input maxLength={250} value={name} onChange={(event) => setName(event.target.value)} />
      </Field>
      <Field label="Secret" hint="Messages are signed with it, so that who gets them knows that they are ours. It is shown to nobody afterwards.">
        <Input type="password" autoComplete="new-password" value={secret} onChange={(event) => setSecret(event.target.value)} />
      </Field>
      <Field label="Model" hint="Of this model alone; empty for all.">
        <Input value={model} onChange={(event) => setModel(event.target.value)} />
      </Field>
      <Select
        label="Whose form messages have"
        prefix="In the form of"
        value={style}
        options={[
          { value: 'headrace', label: 'Headrace' },
          { value: 'mlflow', label: 'MLflow’s webhooks' },
        ]}
        onChange={setStyle}
      />
      <Switch label="Every event" checked={every} onChange={setEvery} />
      {!every && (
        <div className="webhook-events">
          {EVENTS.map(([title, of]) => (
            <fieldset key={title}>
              <legend className="quiet">{title}</legend>
              {of.map((event) => (
                <div key={event} className="row">
                  <Checkbox label={event} checked={events.has(event)} onChange={(chosen) => choose(event, chosen)} />
                  <span aria-hidden="true">{event.split('.')[1]?.replaceAll('_', ' ')}</span>
                </div>
              ))}
            </fieldset>
          ))}
        </div>
      )}
      {make.isError && (
        <p className="wrong" role="alert">
          {make.error.message}
        </p>
      )}
    </Dialog>
  );
}
