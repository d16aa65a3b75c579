import { beforeEach, expect, test } from 'vitest';
import { held, keepSplit, keptSplit } from './split';

beforeEach(() => localStorage.clear());

test.each([
  [46.4, 46],
  [-3, 20],
  [97, 80],
])('of a share of %d %d is left to the table', (share, kept) => {
  expect(held(share)).toBe(kept);
});

test('what was chosen is there at the next visit, until it is reset', () => {
  expect(keptSplit()).toBeNull();
  keepSplit(62);
  expect(keptSplit()).toBe(62);
  keepSplit(null);
  expect(keptSplit()).toBeNull();
});

test.each(['wide', '', 'NaN'])('what can’t be read (%s) is as if nothing was kept', (kept) => {
  localStorage.setItem('headrace.split', kept);
  expect(keptSplit()).toBeNull();
});
