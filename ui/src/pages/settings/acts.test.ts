import { expect, it } from 'vitest';
import { told } from './acts';

it('tells to whom something was done, and what was before and after', () => {
  expect(told({ before: { account: 'eve', role: 'viewer' }, after: { account: 'eve', role: 'editor' } })).toBe('eve, role viewer → editor');
  expect(told({ before: {}, after: { account: 'eve', token: 'ab', label: '', scopes: ['viewer', 'runs:write'] } })).toBe('eve, token ab, label none, scopes viewer runs:write');
});
