import { describe, expect, it } from 'vitest';
import { linesOf } from './audit';

describe('a change', () => {
  it('is told a line each', () => {
    expect(linesOf({ stages: { 1: 'Production', 2: 'Staging' }, aliases: { champion: 1 } }, { stages: { 1: 'Archived', 2: 'Production' }, aliases: { champion: 2 } })).toEqual([
      'v1: Production → Archived',
      'v2: Staging → Production',
      '@champion: 1 → 2',
    ]);
  });
  it('leaves out what stayed', () => {
    expect(linesOf({ description: 'a' }, { description: 'a' })).toEqual([]);
    expect(linesOf({}, { tags: { team: 'x' } })).toEqual(['tags: none → {"team":"x"}']);
  });
});
