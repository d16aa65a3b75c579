import { expect, it } from 'vitest';
import { placed, READABLE } from './place';

const card = (x: number, y = 0) => ({ x, y, width: 196, height: 50 });

it('shows a short chain whole, in the middle and no larger than it is', () => {
  expect(placed({ x: 0, y: 0, width: 436, height: 50 }, card(0), { width: 1000, height: 450 })).toEqual({ x: 282, y: 200, zoom: 1 });
});

it('makes a chain smaller only as far as it can be read', () => {
  const long = { x: 0, y: 0, width: 1876, height: 50 };
  const place = { width: 900, height: 500 };
  expect(placed(long, card(0), { width: 1700, height: 500 })).toMatchObject({ x: 24 });
  const first = placed(long, card(0), place);
  expect(first).toMatchObject({ zoom: READABLE, x: 24 });
  const middle = placed(long, card(840), place);
  expect(middle.x).toBeCloseTo(450 - 938 * READABLE);
  const last = placed(long, card(1680), place);
  expect(last.x + 1876 * READABLE).toBeCloseTo(900 - 24);
});
