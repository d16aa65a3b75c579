/** Who may use the server: users, what each may do, and the first admin, from whom on everybody signs in. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { actsQuery, addUser, changeUser, ROLES, signIn, usersQuery, type Act, type Me, type Role, type User } from '@/api/accounts';
import { DataTable, type DataColumn } from '@/shared/table/data-table';
import { Button, Field, Input, Select } from '@/shared/ui/controls';
import { Failure, Skeleton } from '@/shared/ui/feedback';
import { Ago, Chip } from '@/shared/ui/marks';
import { Dialog, Menu } from '@/shared/ui/overlays';
import { toast } from '@/shared/ui/toasts';
import { Tokens } from './account';
import { told } from './acts';

const ROLE_CHOICES = ROLES.map((role) => ({ value: role, label: role }));
const MEANS: Record<Role, string> = {
  viewer: 'sees everything, changes nothing',
  editor: 'logs runs, registers models, writes features, asks for promotions',
  approver: 'approves and promotes, too',
  admin: 'everything, with users, webhooks and promotions against a gate',
};

export function Users({ me }: { me: Me }) {
  const query = useQuery(usersQuery());
  const client = useQueryClient();
  const [adding, setAdding] = useState(false);
  const [of, setOf] = useState<User | null>(null);
  const [password, setPassword] = useState<User | null>(null);
  const change = useMutation({
    mutationFn: ({ user, ...what }: { user: string; role?: Role; active?: boolean }) => changeUser(user, what),
    onSuccess: (user) => toast(`${user.name} is ${user.active ? `let in, with the role ${user.role}` : 'let in no more'}`),
    onError: (error) => toast(error.message, { bad: true }),
    onSettled: () => Promise.all(['users', 'acts'].map((key) => client.invalidateQueries({ queryKey: [key] }))),
  });
  if (query.data === undefined) return query.isError ? <Failure error={query.error} retry={() => void query.refetch()} /> : <Skeleton lines={6} />;
  const first = query.data.length === 0;
  const columns: DataColumn<User>[] = [
    { id: 'name', title: 'User', grow: true, sort: (user) => user.name, cell: (user) => <><b>{user.name}</b>{user.name === me.name && <span className="quiet"> · you</span>}</> },
    { id: 'role', title: 'Role', sort: (user) => ROLES.indexOf(user.role), cell: (user) => <Select label={`Role of ${user.name}`} value={user.role} options={ROLE_CHOICES} onChange={(role) => change.mutate({ user: user.name, role })} /> },
    { id: 'password', title: 'Signs in by', cell: (user) => (user.password ? 'password, tokens' : <span className="quiet">tokens alone</span>) },
    { id: 'active', title: 'State', sort: (user) => Number(user.active), cell: (user) => <Chip tone={user.active ? 'ok' : 'bad'}>{user.active ? 'active' : 'not let in'}</Chip> },
    { id: 'created', title: 'Since', sort: (user) => user.created, cell: (user) => <Ago time={user.created} /> },
    {
      id: 'more',
      title: 'Actions',
      cell: (user) => (
        <Menu
          trigger={<Button tone="quiet" icon="dots" aria-label={`More about ${user.name}`} />}
          items={[
            { label: 'Tokens', icon: 'key', onSelect: () => setOf(user) },
            { label: 'Set a password', icon: 'shield', onSelect: () => setPassword(user) },
            { label: user.active ? 'Let in no more' : 'Let in again', icon: user.active ? 'close' : 'check', bad: user.active, onSelect: () => change.mutate({ user: user.name, active: !user.active }) },
          ]}
        />
      ),
    },
  ];
  return (
    <>
      {first ? (
        <FirstAdmin />
      ) : (
        <section className="panel">
          <header>
            <h2 className="grow">Users</h2>
            <Button icon="plus" onClick={() => setAdding(true)}>
              Add a user
            </Button>
          </header>
          <DataTable label="Users" columns={columns} rows={query.data} id={(user) => user.name} empty="" />
        </section>
      )}
      {of !== null && <Tokens key={of.name} user={of.name} whyNone={me.scopes.length > 0 ? 'A session that is limited makes no tokens.' : ''} />}
      <dl className="settings-roles quiet">
        {ROLES.map((role) => (
          <div key={role}>
            <dt>{role}</dt>
            <dd>{MEANS[role]}</dd>
          </div>
        ))}
      </dl>
      {!first && <Acts />}
      {adding && <AddUser onClose={() => setAdding(false)} />}
      {password !== null && <SetPassword user={password} onClose={() => setPassword(null)} />}
    </>
  );
}

/** What was done to users and tokens, guessed passwords too. */
function Acts() {
  const query = useQuery(actsQuery());
  return (
    <section className="panel" aria-label="What was done">
      <header>
        <h2 className="grow">What was done</h2>
        <span className="quiet">to users and tokens, the newest 200</span>
      </header>
      {query.isPending && <Skeleton />}
      {query.isError && query.data === undefined && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.data !== undefined && <DataTable label="What was done" columns={ACTS} rows={query.data} id={(act) => `${act.time} ${act.action} ${told(act)}`} empty="Nothing yet." />}
    </section>
  );
}

const ACTS: DataColumn<Act>[] = [
  { id: 'time', title: 'When', sort: (act) => act.time, cell: (act) => <Ago time={act.time} /> },
  { id: 'user', title: 'Who', sort: (act) => act.user, cell: (act) => act.user || '–' },
  { id: 'origin', title: 'From', sort: (act) => act.origin, cell: (act) => act.origin || <span className="quiet">–</span> },
  { id: 'action', title: 'What', sort: (act) => act.action, cell: (act) => <Chip tone={act.action === 'slow down' ? 'bad' : 'quiet'}>{act.action === 'slow down' ? 'wrong passwords' : act.action}</Chip> },
  { id: 'to', title: 'To', grow: true, cell: told },
];

/** The first one needs a password, or nobody could sign in afterwards. */
function FirstAdmin() {
  const client = useQueryClient();
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const make = useMutation({
    mutationFn: async () => {
      await addUser({ name: name.trim(), role: 'admin', password });
      await signIn(client, name.trim(), password);
    },
    onSuccess: () => toast('From now on everybody signs in, and programs show a token'),
  });
  return (
    <section className="panel">
      <header>
        <h2>Add the first admin</h2>
      </header>
      <form
        className="panel-body settings-form"
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <p>From then on this server wants to know who asks, on every page and of every program. You are signed in as this admin at once.</p>
        <Field label="Name">
          <Input autoComplete="username" required maxLength={128} value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        <Field label="Password" hint="At least 8 characters.">
          <Input type="password" autoComplete="new-password" required minLength={8} value={password} onChange={(event) => setPassword(event.target.value)} />
        </Field>
        <Button tone="primary" type="submit" busy={make.isPending}>
          Add the first admin
        </Button>
        {make.isError && (
          <p className="wrong" role="alert">
            {make.error.message}
          </p>
        )}
      </form>
    </section>
  );
}

function AddUser({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('editor');
  const [password, setPassword] = useState('');
  const make = useMutation({
    mutationFn: () => addUser({ name: name.trim(), role, password }),
    onSuccess: (user) => {
      toast(`${user.name} may sign in`);
      onClose();
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['users'] }),
  });
  return (
    <Dialog
      open
      onClose={onClose}
      title="Add a user"
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button tone="primary" busy={make.isPending} disabled={name.trim() === ''} onClick={() => make.mutate()}>
            Add
          </Button>
        </>
      }
    >
      <Field label="Name" hint="Goes into the audit trail, and stays taken.">
        <Input autoFocus maxLength={128} value={name} onChange={(event) => setName(event.target.value)} />
      </Field>
      <Select label="Role" prefix="Role" value={role} options={ROLE_CHOICES} onChange={setRole} />
      <Field label="Password" hint="At least 8 characters; empty for a program, which shows tokens.">
        <Input type="password" autoComplete="new-password" value={password} onChange={(event) => setPassword(event.target.value)} />
      </Field>
      {make.isError && (
        <p className="wrong" role="alert">
          {make.error.message}
        </p>
      )}
    </Dialog>
  );
}

function SetPassword({ user, onClose }: { user: User; onClose: () => void }) {
  const client = useQueryClient();
  const [password, setPassword] = useState('');
  const change = useMutation({
    mutationFn: () => changeUser(user.name, { password }),
    onSuccess: () => {
      toast(password === '' ? `${user.name} has no password any more` : `${user.name} has another password`);
      onClose();
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['users'] }),
  });
  return (
    <Dialog
      open
      onClose={onClose}
      title={`A password for ${user.name}`}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button tone="primary" busy={change.isPending} onClick={() => change.mutate()}>
            {password === '' ? 'Take the password away' : 'Set the password'}
          </Button>
        </>
      }
    >
      <Field label="New password" hint="At least 8 characters; empty to take it away.">
        <Input autoFocus type="password" autoComplete="new-password" value={password} onChange={(event) => setPassword(event.target.value)} />
      </Field>
      {change.isError && (
        <p className="wrong" role="alert">
          {change.error.message}
        </p>
      )}
    </Dialog>
  );
}
