/** The webhooks that are told of a model. Only who may see webhooks sees them here. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { meQuery } from '@/api/accounts';
import { webhooksQuery } from '@/api/webhooks';
import { Failure, Skeleton } from '@/shared/ui/feedback';
import { Icon } from '@/shared/ui/icon';
import { Chip } from '@/shared/ui/marks';

export function Told({ model }: { model: string }) {
  const me = useQuery(meQuery());
  const may = me.data?.permissions.includes('webhooks:admin') === true;
  const query = useQuery({ ...webhooksQuery(), enabled: may });
  if (!may) return null;
  const told = (query.data ?? []).filter((webhook) => webhook.model === '' || webhook.model === model);
  return (
    <section className="panel" aria-label="Webhooks">
      <header>
        <h2 className="grow">Who is told</h2>
        <Link to="/settings" search={{ part: 'webhooks' }} className="button button-quiet">
          Webhooks
        </Link>
      </header>
      {query.isPending && <Skeleton />}
      {query.isError && query.data === undefined && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.data !== undefined && told.length === 0 && <p className="panel-body quiet">Nobody: a webhook tells an address when a version is promoted, refused or rolled back.</p>}
      <ul className="lines">
        {told.map((webhook) => (
          <li key={webhook.id}>
            <Icon name="bell" size={15} />
            <span className="grow told">
              <Link to="/settings" search={{ part: 'webhooks', webhook: webhook.id }} className="link">
                {webhook.name === '' ? webhook.url : webhook.name}
              </Link>
              <span className="quiet lines-more">{webhook.events.includes('*') ? 'every event' : webhook.events.join(', ')}</span>
            </span>
            {webhook.model === '' && <Chip title="It is told of other models too">every model</Chip>}
            {!webhook.active && <Chip tone="bad">off</Chip>}
          </li>
        ))}
      </ul>
    </section>
  );
}
