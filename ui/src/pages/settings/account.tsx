/** Oneself: what one may do, one's password, one's tokens. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { actsAs, changePassword, createToken, limitOf, revokeToken, ROLES, SESSION, tokensQuery, type MadeToken, type Me, type Token } from '@/api/accounts';
import { DataTable, type DataColumn } from '@/shared/table/data-table';
import { Button, Field, Input, Select, Switch } from '@/shared/ui/controls';
import { Empty, Failure, Skeleton, Snippet } from '@/shared/ui/feedback';
import { Ago, Chip, Facts } from '@/shared/ui/marks';
import { Dialog } from '@/shared/ui/overlays';
import { toast } from '@/shared/ui/toasts';

export function Account({ me }: { me: Me }) {
  if (me.name === null) {
    return (
      <Empty icon="user" title="This server asks nobody who they are">
        <p>Whoever reaches it may do everything. As soon as it has a first admin, everybody signs in, and programs show a token.</p>
        <Link to="/settings" search={{ part: 'users' }} className="button">
          Add the first admin
        </Link>
      </Empty>
    );
  }
  return (
    <>
      <section className="panel">
        <header>
          <h2>{me.name}</h2>
          <Chip tone="accent">{actsAs(me)}</Chip>
        </header>
        <div className="panel-body">
          {me.scopes.length > 0 && <p>{limitOf(me)} Sign in with a password, or with a token that has no limit, to do more.</p>}
          <Facts items={[['May', <span key="may" className="settings-may">{me.permissions.map((name) => <code key={name}>{name}</code>)}</span>]]} />
        </div>
      </section>
      <Tokens user={me.name} whyNone={me.scopes.length > 0 ? 'A session that is limited makes no tokens.' : ''} />
      <Password />
    </>
  );
}

function Password() {
  const [current, setCurrent] = useState('');
  const [password, setPassword] = useState('');
  const [again, setAgain] = useState('');
  const client = useQueryClient();
  const change = useMutation({
    mutationFn: () => changePassword(current, password),
    onSuccess: () => {
      for (const empty of [setCurrent, setPassword, setAgain]) empty('');
      toast('The password is changed; other browsers have to sign in again');
      return client.invalidateQueries({ queryKey: ['tokens'] });
    },
  });
  const differ = again !== '' && again !== password;
  return (
    <section className="panel">
      <header>
        <h2>Password</h2>
      </header>
      <form
        className="panel-body settings-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (!differ) change.mutate();
        }}
      >
        <Field label="Until now" hint="Empty if you had none.">
          <Input type="password" autoComplete="current-password" value={current} onChange={(event) => setCurrent(event.target.value)} />
        </Field>
        <Field label="New" hint="At least 8 characters.">
          <Input type="password" autoComplete="new-password" required minLength={8} value={password} onChange={(event) => setPassword(event.target.value)} />
        </Field>
        <Field label="New, once more">
          <Input type="password" autoComplete="new-password" required value={again} onChange={(event) => setAgain(event.target.value)} />
        </Field>
        <Button type="submit" busy={change.isPending} disabled={password === '' || differ || again === ''}>
          Change the password
        </Button>
        {(differ || change.isError) && (
          <p className="wrong" role="alert">
            {differ ? 'The two new passwords differ.' : change.error?.message}
          </p>
        )}
      </form>
    </section>
  );
}

/** Tokens of a user: made, shown once, revoked. */
export function Tokens({ user, whyNone = '' }: { user: string; whyNone?: string }) {
  const query = useQuery(tokensQuery(user));
  const [making, setMaking] = useState(false);
  const [all, setAll] = useState(false);
  const client = useQueryClient();
  const revoke = useMutation({
    mutationFn: (token: Token) => revokeToken(token.id),
    onSuccess: (_, token) => toast(`${token.label === '' ? token.id : token.label} opens nothing any more`),
    onError: (error) => toast(error.message, { bad: true }),
    onSettled: () => client.invalidateQueries({ queryKey: ['tokens'] }),
  });
  const tokens = [...(query.data ?? [])].reverse();
  const shown = tokens.filter((token) => all || !isOver(token));
  const columns: DataColumn<Token>[] = [
    { id: 'label', title: 'For', grow: true, sort: (token) => token.label, cell: (token) => <><span className="settings-label">{token.label === '' ? 'no label' : token.label}</span> <code className="quiet">{token.id}</code></> },
    { id: 'scopes', title: 'May', cell: (token) => (token.scopes.length === 0 ? <span className="quiet">all that you may</span> : token.scopes.map((scope) => <Chip key={scope}>{scope}</Chip>)) },
    { id: 'created', title: 'Made', sort: (token) => token.created, cell: (token) => <Ago time={token.created} /> },
    { id: 'used', title: 'Last used', sort: (token) => token.used ?? '', cell: (token) => (token.used === null ? <span className="quiet">never</span> : <Ago time={token.used} />) },
    { id: 'expires', title: 'Expires', sort: (token) => token.expires ?? '9', cell: (token) => (token.revoked ? <Chip tone="bad">revoked</Chip> : isOver(token) ? <Chip tone="warn">expired</Chip> : token.expires === null ? <span className="quiet">never</span> : <Ago time={token.expires} />) },
    {
      id: 'revoke',
      title: 'Actions',
      cell: (token) =>
        !isOver(token) && (
          <Button tone="bad" aria-label={`Revoke ${token.label === '' ? token.id : token.label}`} busy={revoke.isPending && revoke.variables.id === token.id} onClick={() => revoke.mutate(token)}>
            {token.label === SESSION ? 'Sign out' : 'Revoke'}
          </Button>
        ),
    },
  ];
  return (
    <section className="panel">
      <header>
        <h2 className="grow">API tokens</h2>
        {tokens.some(isOver) && <Switch label="Revoked and expired too" checked={all} onChange={setAll} />}
        {whyNone !== '' && <span className="quiet" id="why-no-token">{whyNone}</span>}
        <Button icon="plus" disabled={whyNone !== ''} aria-describedby={whyNone === '' ? undefined : 'why-no-token'} onClick={() => setMaking(true)}>
          New token
        </Button>
      </header>
      {query.isPending && <Skeleton />}
      {query.isError && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.data !== undefined && <DataTable label={`Tokens of ${user}`} columns={columns} rows={shown} id={(token) => token.id} empty="No token yet. Programs and the Python client show one." />}
      {making && <NewToken user={user} onClose={() => setMaking(false)} />}
    </section>
  );
}

function isOver(token: Token): boolean {
  return token.revoked || (token.expires !== null && Date.parse(token.expires) <= Date.now());
}

const DAYS = [
  { value: '30', label: '30 days' },
  { value: '90', label: '90 days' },
  { value: '365', label: 'A year' },
  { value: '', label: 'Until it is revoked' },
];

function NewToken({ user, onClose }: { user: string; onClose: () => void }) {
  const [label, setLabel] = useState('');
  const [scope, setScope] = useState('');
  const [days, setDays] = useState('90');
  const [made, setMade] = useState<MadeToken | null>(null);
  const client = useQueryClient();
  const make = useMutation({
    mutationFn: () => createToken({ user, label: label.trim(), scopes: scope === '' ? [] : [scope], days: days === '' ? null : Number(days) }),
    onSuccess: (token) => {
      setMade(token);
      return client.invalidateQueries({ queryKey: ['tokens'] });
    },
  });
  if (made !== null) {
    return (
      <Dialog open onClose={onClose} title="Copy the token now" text="It is shown this once: only a hash of it is kept." actions={<Button tone="primary" onClick={onClose}>I have it</Button>}>
        <Snippet text={made.token} label="Copy the token" />
        <p className="quiet">The Python client and the command line read it from the environment:</p>
        <Snippet text={`export HEADRACE_TOKEN=${made.token}`} label="Copy the setting" />
      </Dialog>
    );
  }
  return (
    <Dialog
      open
      onClose={onClose}
      title={`A token of ${user}`}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button tone="primary" busy={make.isPending} onClick={() => make.mutate()}>
            Make the token
          </Button>
        </>
      }
    >
      <Field label="What it is for">
        <Input autoFocus maxLength={250} placeholder="laptop, nightly training …" value={label} onChange={(event) => setLabel(event.target.value)} />
      </Field>
      <div className="row settings-choices">
        <Select label="What it may do" prefix="May" value={scope} options={[{ value: '', label: 'all that the user may' }, ...ROLES.map((role) => ({ value: role, label: `what a ${role} may, at most` }))]} onChange={setScope} />
        <Select label="How long it is good for" prefix="for" value={days} options={DAYS} onChange={setDays} />
      </div>
      {make.isError && (
        <p className="wrong" role="alert">
          {make.error.message}
        </p>
      )}
    </Dialog>
  );
}
