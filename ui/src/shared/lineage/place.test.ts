import { expect, it } from 'vitest';
import { beyond, fitting, placed, READABLE } from './place';

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

it('counts what is out of sight on each side, by the middle of each thing', () => {
  const boxes = [card(0), card(250), card(500), card(250, 900)];
  const place = { width: 500, height: 400 };
  expect(beyond(boxes, { x: 24, y: 24, zoom: 1 }, place)).toEqual({ left: 0, right: 1, top: 0, bottom: 1 });
  expect(beyond(boxes, { x: -300, y: 24, zoom: 1 }, place)).toEqual({ left: 1, right: 0, top: 0, bottom: 1 });
  expect(beyond(boxes, { x: 0, y: 0, zoom: 0.3 }, place)).toEqual({ left: 0, right: 0, top: 0, bottom: 0 });
});

it('tells how small a map has to be to be seen whole', () => {
  expect(fitting({ x: 0, y: 0, width: 100, height: 100 }, { width: 1000, height: 1000 })).toBe(1);
  expect(fitting({ x: 0, y: 0, width: 1904, height: 100 }, { width: 1000, height: 1000 })).toBe(0.5);
});
