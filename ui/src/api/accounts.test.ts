import { expect, it } from 'vitest';
import { actsAs, limitOf, type Me } from './accounts';

const me = (part: Partial<Me>): Me => ({ open: false, name: 'root', role: 'admin', acts_as: 'admin', scopes: [], permissions: [], ...part });

it('tells why a session may do less than its user', () => {
  expect(limitOf(me({}))).toBe('');
  expect(limitOf(me({ open: true, name: null, role: null, acts_as: null }))).toBe('');
  expect(limitOf(me({ role: 'viewer', acts_as: 'viewer' }))).toBe('Your role is viewer.');
  expect(limitOf(me({ acts_as: 'viewer', scopes: ['viewer'] }))).toBe('You signed in with a token that is limited to viewer; as root you are admin.');
});

it('names what a session may do by the role that it comes to', () => {
  expect(actsAs(me({ acts_as: 'viewer', scopes: ['viewer'] }))).toBe('viewer');
  expect(actsAs(me({ acts_as: null, scopes: ['runs:read'] }))).toBe('limited');
});
