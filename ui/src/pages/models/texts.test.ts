import { expect, it } from 'vitest';
import { changeOf } from './texts';

const before = { description: 'ranks', owner: 'ada', tags: { team: 'search', tier: '1' } };

it('sends only what differs', () => {
  expect(changeOf(before, before)).toEqual({});
  expect(changeOf(before, { ...before, owner: '', tags: { team: 'ranking', colour: 'blue' } })).toEqual({ owner: '', set: { team: 'ranking', colour: 'blue' }, remove: ['tier'] });
  expect(changeOf(before, { ...before, description: 'ranks films' })).toEqual({ description: 'ranks films' });
});
