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
  nans: Float64Array;
}

interface Header {
  axis: string;
  curves: { run: string; key: string; points: number; count: number }[];
}

export async function readCurves(query: Schemas['CurvesQuery'], signal?: AbortSignal): Promise<Points[]> {
  return decodeCurves(await postForBytes('/api/v1/metrics/curves', query, signal));
}

/** The arrays are views of the answer's bytes: nothing is copied. */
export function decodeCurves(bytes: ArrayBuffer): Points[] {
  const length = new DataView(bytes).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length))) as Header;
  let at = 4 + length;
  return header.curves.map(({ run, key, points, count }) => {
    const next = () => {
      const array = new Float64Array(bytes, at, points);
      at += points * 8;
      return array;
    };
    return { run, key, count, x: next(), last: next(), low: next(), high: next(), nans: next() };
  });
}
