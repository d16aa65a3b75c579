import { expect, it } from 'vitest';
import { sharesOf } from './shares';

const at = (seconds: number) => new Date(seconds * 1000).toISOString();

it('draws reigns by how long they lasted, the short ones wide enough to press', () => {
  expect(sharesOf([{ began: at(0), ended: at(1) }, { began: at(1), ended: null }], 100_000)).toEqual([0.06, 0.99]);
  expect(sharesOf([{ began: at(5), ended: null }], 5000)).toEqual([1]);
});
