import { describe, expect, it } from 'vitest';
import type { Version } from '@/api/models';
import { whyNot } from './moves';

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
