/** Oneself, and for admins the users, the webhooks and what the server is. */
import './settings.css';
import { useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { may, meQuery, serverQuery } from '@/api/accounts';
import { Boundary, Failure, Skeleton } from '@/shared/ui/feedback';
import { Facts } from '@/shared/ui/marks';
import { Account } from './account';
import { Retention } from './retention';
import type { Part } from './search';
import { Users } from './users';
import { Webhooks } from './webhooks';

const TITLES: Record<Part, string> = { account: 'Account', users: 'Users', webhooks: 'Webhooks', server: 'Server' };
const NEEDS: Record<Part, string> = { account: '', users: 'accounts:admin', webhooks: 'webhooks:admin', server: 'metrics:read' };

export function SettingsPage() {
  const search = useSearch({ from: '/settings' });
  const part = search.part ?? 'account';
  const me = useQuery(meQuery());
  if (me.data === undefined) return me.isError ? <Failure whole error={me.error} retry={() => void me.refetch()} /> : <Skeleton lines={6} />;
  const parts = (Object.keys(TITLES) as Part[]).filter((name) => name === part || NEEDS[name] === '' || may(me.data, NEEDS[name]));
  return (
    <div className="page">
      <header className="page-head">
        <h1>Settings</h1>
      </header>
      <nav className="tabs" aria-label="Parts of the settings">
        {parts.map((name) => (
          <Link key={name} to="/settings" search={name === 'account' ? {} : { part: name }} aria-current={name === part ? 'page' : undefined} activeOptions={{ exact: true, includeSearch: true }}>
            {TITLES[name]}
          </Link>
        ))}
      </nav>
      <div className="page-body">
        <Boundary key={part}>
          <div className="settings">
            {part === 'account' && <Account me={me.data} />}
            {part === 'users' && <Users me={me.data} />}
            {part === 'webhooks' && <Webhooks shown={search.webhook} />}
            {part === 'server' && <Server purges={may(me.data, 'runs:purge')} />}
          </div>
        </Boundary>
      </div>
    </div>
  );
}

function Server({ purges }: { purges: boolean }) {
  const query = useQuery(serverQuery());
  if (query.data === undefined) return query.isError ? <Failure error={query.error} retry={() => void query.refetch()} /> : <Skeleton lines={6} />;
  const { release, python, platform, project, stores, modules, webhook_hosts: hosts, open } = query.data;
  return (
    <>
      <section className="panel">
        <header>
          <h2>This server</h2>
        </header>
        <div className="panel-body">
          <Facts
            items={[
              ['Release', release],
              ['Address', <code key="at">{location.origin}</code>],
              ['API', <a key="api" className="link" href="/docs">{location.origin}/docs</a>],
              ['For Prometheus', <a key="metrics" className="link" href="/metrics">{location.origin}/metrics</a>],
              ['Python', python],
              ['Runs on', platform],
              ['Project', <code key="project">{project}</code>],
              ['Users', open ? 'none: nobody is asked who they are' : 'sign in, or show a token'],
              ['Definitions in', modules.length === 0 ? '–' : modules.join(', ')],
              ['Webhooks may reach', hosts.length === 0 ? 'public addresses over TLS' : `${hosts.join(', ')}, and public addresses over TLS`],
            ]}
          />
        </div>
      </section>
      <section className="panel">
        <header>
          <h2>Stores</h2>
        </header>
        <div className="panel-body">
          <Facts items={Object.entries(stores).map(([name, address]) => [name, <code key={name}>{address}</code>] as const)} />
        </div>
      </section>
      {purges && <Retention />}
    </>
  );
}
