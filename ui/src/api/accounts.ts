/** Who is signed in, and the users and tokens of the server. */
import { queryOptions, type QueryClient } from '@tanstack/react-query';
import { get, post, remove, type Schemas } from './client';

export type Me = Schemas['Me'];
export type User = Schemas['User'];
export type Token = Schemas['Token'];
export type Act = Schemas['AccountAct'];
export type MadeToken = Schemas['MadeToken'];
export type Role = User['role'];

export const ROLES: readonly Role[] = ['viewer', 'editor', 'approver', 'admin'];

/** The label of a token that signing in made. */
export const SESSION = 'signed in from a browser';

export const meQuery = () =>
  queryOptions({
    queryKey: ['me'],
    queryFn: async ({ client, signal }) => {
      const now = await get('/api/v1/accounts/me', { signal });
      const before = client.getQueryData<Me>(['me']);
      if (typeof before?.name === 'string' && now.name === null && !now.open) client.setQueryData(ENDED, before.name);
      return now;
    },
    staleTime: 300_000,
  });

const ENDED = ['ended'];

/** Whose session ended while this page was open, without their signing out; undefined if nobody's did. */
export function endedOf(client: QueryClient): string | undefined {
  return client.getQueryData<string>(ENDED);
}

export const usersQuery = () => queryOptions({ queryKey: ['users'], queryFn: async ({ signal }) => (await get('/api/v1/accounts/users', { signal })).users });

export const actsQuery = () => queryOptions({ queryKey: ['acts'], queryFn: async ({ signal }) => (await get('/api/v1/accounts/history', { query: { limit: 200 }, signal })).acts });

export const tokensQuery = (user?: string) =>
  queryOptions({
    queryKey: ['tokens', user],
    queryFn: async ({ signal }) => (await get('/api/v1/accounts/tokens', { query: user === undefined ? {} : { user }, signal })).tokens,
  });

export const serverQuery = () => queryOptions({ queryKey: ['server'], queryFn: ({ signal }) => get('/api/v1/server', { signal }) });

export async function signIn(client: QueryClient, user: string, password: string): Promise<void> {
  await post('/api/v1/session', undefined as never, { headers: { authorization: basic(user, password) } });
  await startAnew(client);
}

function basic(user: string, password: string): string {
  return `Basic ${btoa(String.fromCodePoint(...new TextEncoder().encode(`${user}:${password}`)))}`;
}

export async function signOut(client: QueryClient): Promise<void> {
  await remove('/api/v1/session');
  client.setQueryData(meQuery().queryKey, (me) => me && { ...me, name: null, role: null, acts_as: null, scopes: [], permissions: [] });
  await startAnew(client);
}

/** What was read belongs to who was signed in: nothing of it is kept. */
async function startAnew(client: QueryClient): Promise<void> {
  client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'me' });
  await client.invalidateQueries({ queryKey: meQuery().queryKey });
}

export function changePassword(current: string, password: string) {
  return post('/api/v1/accounts/password', { old: current, new: password });
}

export function addUser(user: Schemas['NewUser']): Promise<User> {
  return post('/api/v1/accounts/users', user);
}

export function changeUser(user: string, change: Schemas['UserChange']): Promise<User> {
  return post('/api/v1/accounts/users/{user}', change, { path: { user } });
}

export function createToken(token: Schemas['NewToken']): Promise<MadeToken> {
  return post('/api/v1/accounts/tokens', token);
}

export function revokeToken(token: string) {
  return remove('/api/v1/accounts/tokens/{token}', { path: { token } });
}

/** What the session may do, as a role, or in a word where that is none. */
export function actsAs(me: Me): string {
  return me.acts_as ?? 'limited';
}

/** Why the session may do less than another could; empty if it may do everything. */
export function limitOf(me: Me | undefined): string {
  if (me === undefined || me.name === null || me.acts_as === 'admin') return '';
  if (me.scopes.length === 0) return `Your role is ${me.role ?? ''}.`;
  return `You signed in with a token that is limited to ${me.scopes.join(', ')}${me.acts_as === me.role ? '' : `; as ${me.name} you are ${me.role ?? ''}`}.`;
}

/** Whether who is signed in may do something; on a server without users everybody may. */
export function may(me: Me | undefined, permission: string): boolean {
  return me?.permissions.includes(permission) === true;
}
