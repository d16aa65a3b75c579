/** Curves as the server sends them: little-endian arrays, buckets at the width of a chart. */
import { postForBytes, type Schemas } from './client';

export interface Points {
  run: string;
  key: string;
  /** How many points were logged; a chart has at most one bucket a pixel. */
  count: number;
  x: Float64Array;
  last: Float64Array;
  low: Float64Array;
  high: Float64Array;
  /** Of each bucket: 1 if there is a NaN, plus 2 for an infinity, plus 4 for a negative one. */
  marks: Float64Array;
}

interface Header {
  axis: string;
  columns: ('start' | 'end' | 'low' | 'high' | 'last' | 'points' | 'marks')[];
  series: { run: string; key: string; count: number; buckets: number }[];
}

export async function readCurves(query: Schemas['SeriesQuery'], signal?: AbortSignal): Promise<Points[]> {
  return decodeCurves(await postForBytes('/api/v1/metrics/series', query, signal));
}

/** The arrays are views of the answer's bytes: nothing is copied that is in order. */
export function decodeCurves(bytes: ArrayBuffer): Points[] {
  const length = new DataView(bytes).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length))) as Header;
  let at = 4 + length;
  return header.series.map(({ run, key, count, buckets }) => {
    const begin = at;
    const column = (name: (typeof header.columns)[number]) => new Float64Array(bytes, begin + header.columns.indexOf(name) * buckets * 8, buckets);
    at += header.columns.length * buckets * 8;
    return { run, key, count, x: inOrder(column('end'), column('start')), last: column('last'), low: column('low'), high: column('high'), marks: column('marks') };
  });
}

/** Where buckets end, none behind where a later one begins: of points that came out of order, buckets may overlap, and a line
 * that follows their ends would go back and forth. */
function inOrder(ends: Float64Array, starts: Float64Array): Float64Array {
  let found = ends;
  for (let at = ends.length - 2; at >= 0; at -= 1) {
    const next = Math.min(starts[at + 1] ?? Infinity, found[at + 1] ?? Infinity);
    if ((found[at] ?? 0) <= next) continue;
    if (found === ends) found = ends.slice();
    found[at] = next;
  }
  return found;
}
