/** Who are you? Shown in place of every page until the server knows; the address stays, so that the page asked for follows. */
import './sign-in.css';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { endedOf, signIn } from '@/api/accounts';
import { Problem } from '@/api/client';
import { Button, Field, Input } from '@/shared/ui/controls';

export function SignIn() {
  const client = useQueryClient();
  const [ended] = useState(() => endedOf(client));
  const [user, setUser] = useState(ended ?? '');
  const [password, setPassword] = useState('');
  const ask = useMutation({ mutationFn: () => signIn(client, user.trim(), password) });
  return (
    <main className="sign-in">
      <form
        className="panel"
        onSubmit={(event) => {
          event.preventDefault();
          ask.mutate();
        }}
      >
        <h1>Sign in to Headrace</h1>
        {ended !== undefined && <p role="status">Your session has ended. Sign in again, and the page that you were on follows.</p>}
        <Field label="User">
          <Input name="username" autoComplete="username" autoCapitalize="none" required autoFocus={ended === undefined} value={user} onChange={(event) => setUser(event.target.value)} />
        </Field>
        <Field label="Password or token" hint="An admin gives you one; headrace users change NAME --password sets one.">
          <Input name="password" type="password" autoComplete="current-password" required autoFocus={ended !== undefined} value={password} onChange={(event) => setPassword(event.target.value)} />
        </Field>
        {ask.isError && (
          <p className="wrong" role="alert">
            {ask.error instanceof Problem && ask.error.status === 401 ? 'The user and the password don’t belong together.' : ask.error.message}
          </p>
        )}
        <Button tone="primary" type="submit" busy={ask.isPending}>
          Sign in
        </Button>
      </form>
    </main>
  );
}
