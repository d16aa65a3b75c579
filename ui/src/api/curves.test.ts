import { expect, it } from 'vitest';
import { decodeCurves } from './curves';

const COLUMNS = ['start', 'end', 'low', 'high', 'last', 'points', 'marks'];

/** One curve as the server writes it. */
function packed(starts: readonly number[], ends: readonly number[]): ArrayBuffer {
  const buckets = starts.length;
  const header = JSON.stringify({ axis: 'step', columns: COLUMNS, series: [{ run: 'a', key: 'loss', count: buckets, buckets }] });
  const padded = new TextEncoder().encode(header.padEnd(Math.ceil((header.length + 4) / 8) * 8 - 4));
  const bytes = new Uint8Array(4 + padded.length + COLUMNS.length * buckets * 8);
  new DataView(bytes.buffer).setUint32(0, padded.length, true);
  bytes.set(padded, 4);
  bytes.set(new Uint8Array(Float64Array.from([...starts, ...ends]).buffer), 4 + padded.length);
  return bytes.buffer;
}

it('has its points where the buckets end', () => {
  const bytes = packed([0, 10, 20], [9, 19, 29]);
  const [curve] = decodeCurves(bytes);
  expect([...(curve?.x ?? [])]).toEqual([9, 19, 29]);
  expect(curve?.x.buffer).toBe(bytes);
});

it('never goes back where buckets overlap, as those of points that came out of order may', () => {
  const [curve] = decodeCurves(packed([0, 10, 20, 21, 30], [9, 45, 25, 25, 39]));
  expect([...(curve?.x ?? [])]).toEqual([9, 20, 21, 25, 39]);
});
