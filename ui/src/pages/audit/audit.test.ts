import { describe, expect, it } from 'vitest';
import type { AuditEntry } from '@/api/models';
import { fits, linesOf } from './audit';
import { readAuditSearch } from './search';

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
    expect(linesOf({ gates: [] }, { gates: [{ metric: 'auc', at_least: 0.7, at_most: null, by_requester: false }] })).toEqual(['gates: none → metric auc, at_least 0.7']);
    expect(linesOf({}, { tags: { team: 'x' } })).toEqual(['tags: none → {"team":"x"}']);
  });
});

describe('an entry', () => {
  const entry: AuditEntry = { subject: 'ranker', seq: 2, action: 'promote', version: 2, before: { stages: { 2: 'Staging' } }, after: { stages: { 2: 'Production' } }, reason: 'Better', report: null, user: 'mara', origin: '10.0.0.7', time: '2026-01-01T00:00:00Z', hash: 'c0ffee' };
  it('fits what the address asks for', () => {
    for (const search of [{}, { q: 'better' }, { q: '→ production' }, { q: '10.0.0.7' }, { action: 'promote', user: 'mara' }, { entry: 'c0f' }]) expect(fits(entry, search)).toBe(true);
    for (const search of [{ q: 'worse' }, { action: 'rollback' }, { user: 'mar' }, { entry: 'ffee' }]) expect(fits(entry, search)).toBe(false);
  });
  it('fits within so many days', () => {
    const now = Date.parse('2026-01-03T00:00:00Z');
    expect([fits(entry, { days: '1' }, now), fits(entry, { days: '7' }, now)]).toEqual([false, true]);
  });
  it('is asked for by what an address can say', () => {
    expect(readAuditSearch({ q: '', entry: 12345678, action: ['x'], other: 'y', days: 'x' })).toEqual({ entry: '12345678' });
  });
});
