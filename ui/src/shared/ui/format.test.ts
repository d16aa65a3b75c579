import { expect, test } from 'vitest';
import { bytes, duration, number, percent } from './format';

test.each([
  [0.91803, '0.9180'],
  [0.91372, '0.9137'],
  [0.3, '0.3'],
  [Math.fround(0.1), '0.1'],
  [0.012345, '0.01235'],
  [0.99999, '1.0000'],
  [73.779, '73.78'],
  [4847.6, '4,848'],
  [123456.7, '123,457'],
  [-4847.6, '−4,848'],
  [2048, '2,048'],
  [0, '0'],
  [8.2249e-6, '8.22e−6'],
  [2.5e9, '2.50e+9'],
  ['NaN', 'NaN'],
  [-Infinity, '−∞'],
  [null, '–'],
] as const)('the figure %s is shown as %s', (value, text) => {
  expect(number(value)).toBe(text);
});

test('a part has two digits that matter, and never an exponent', () => {
  expect([0.0051, 0.02, 0.994, 0.996, 2.883, -6.6, 12.34].map(percent)).toEqual(['0.51%', '2.0%', '99%', '100%', '288%', '−660%', '1,234%']);
});

test('more digits show more of a large figure', () => {
  expect(number(4847.66, 5)).toBe('4,847.7');
  expect(number(4847.5, 6)).toBe('4,847.5');
});

test('sizes and durations have the units that people read', () => {
  expect([999, 25_231_925_248, 0].map(bytes)).toEqual(['999 B', '25 GB', '0 B']);
  expect([0.016, 5.25, 100, 7200, 90_000].map(duration)).toEqual(['16ms', '5.3s', '1m 40s', '2h', '1d 1h']);
});
