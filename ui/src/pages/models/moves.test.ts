import { describe, expect, it } from 'vitest';
import type { Version } from '@/api/models';
import { did, movedMeanwhile, whyMayNot, whyNot } from './moves';

const version = (stage: Version['stage'], reigned = false) => ({ stage, reigned }) as Version;

describe('moves between stages', () => {
  it('are refused with the ways that there are', () => {
    expect(whyNot(version('Production'), 'None')).toContain('Staging or Archived');
    expect(whyNot(version('Staging'), 'Staging')).toContain('already');
  });
  it('lead back to Production only for those that were there', () => {
    expect(whyNot(version('Archived'), 'Production')).toContain('Staging first');
    expect(whyNot(version('Archived', true), 'Production')).toBeNull();
    expect(whyNot(version('None'), 'Production')).toBeNull();
  });
});

describe('who is signed in', () => {
  const may = (...permissions: string[]) => (permission: string) => permissions.includes(permission);
  it.each([
    [may('models:write', 'models:promote'), 'Staging', 'Production', null],
    [may('models:write'), 'None', 'Staging', null],
    [may('models:write'), 'Staging', 'Production', 'ask for the move'],
    [may('models:write'), 'Production', 'Archived', 'ask for the move'],
    [may('models:read'), 'None', 'Staging', 'not move them'],
  ] as const)('moves what they may, and is told why not (%#)', (who, from, to, why) => {
    const said = whyMayNot(who, version(from), to);
    if (why === null) expect(said).toBeNull();
    else expect(said).toContain(why);
  });
});

describe('two people at once', () => {
  const now = (champion: number | null, stage: Version['stage']) => ({ champion, versions: [{ version: 2, stage } as Version] });
  it('are told what the other did', () => {
    expect(movedMeanwhile({ champion: 1 }, { version: 2, stage: 'None' }, now(1, 'None'))).toBeNull();
    expect(movedMeanwhile({ champion: 1 }, { version: 2, stage: 'None' }, now(3, 'None'))).toContain('version 3 now, it was version 1');
    expect(movedMeanwhile({ champion: 1 }, { version: 2, stage: 'None' }, now(2, 'Production'))).toContain('to Production meanwhile');
    expect(movedMeanwhile({ champion: 1 }, { version: 2, stage: 'None' }, { champion: 1, versions: [] })).toContain('deleted');
  });
});

it('tells what was done, and what it doesn’t know by its name', () => {
  expect(['rollback', 'constructor', 'of a newer server'].map(did)).toEqual(['rolled back to', 'constructor', 'of a newer server']);
});
