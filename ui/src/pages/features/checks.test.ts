import { expect, it } from 'vitest';
import type { Check } from '@/api/features';
import { checksOf, fares } from './checks';

const check = (subject: string, outcome: Check['outcome'], broken = 0, checked: number | null = null, at: string | null = null): Check => ({ subject, expectation: `${outcome} ${broken}`, outcome, broken, checked, at, example: null });

it('shows the expectations of a group and of its source, what is broken online first', () => {
  const all = [check('source:ratings', 'rejected'), check('source:other', 'rejected', 9), check('group:taste', 'feature', 0, 20), check('source:ratings', 'quarantined', 3), check('group:taste', 'feature', 2, 20)];
  expect(checksOf(all, 'taste', 'ratings').map((one) => one.expectation)).toEqual(['feature 2', 'quarantined 3', 'feature 0', 'rejected 0']);
  expect(checksOf(all, 'taste', null)).toHaveLength(2);
});

it('tells how one fares', () => {
  expect(fares(check('group:a', 'feature'))).toEqual(['quiet', 'no sample yet']);
  expect(fares(check('group:a', 'feature', 2, 1500, '2026-01-01T00:00:00Z'))).toEqual(['bad', '2 of 1,500 break it']);
  expect(fares(check('group:a', 'feature', 0, 20, '2026-01-01T00:00:00Z'))).toEqual(['ok', 'all of 20 hold']);
  expect(fares(check('source:a', 'quarantined', 3))).toEqual(['warn', '3 set aside']);
  expect(fares(check('source:a', 'rejected', 3))).toEqual(['warn', '3 refused']);
  expect(fares(check('source:a', 'rejected'))).toEqual(['ok', 'never broken']);
});
