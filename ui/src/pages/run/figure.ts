/** Figures of Plotly, read out of their JSON or out of the page that Plotly writes: the page asks for a library from elsewhere, and gets none. Pure. */

export interface Trace {
  name: string;
  kind: 'lines' | 'markers' | 'both' | 'bars';
  x: readonly (number | string | null)[];
  y: readonly (number | null)[];
}

export interface Figure {
  title: string;
  x: string;
  y: string;
  traces: Trace[];
  /** Kinds of traces that are in it and aren't drawn here. */
  left: string[];
}

const MOST_POINTS = 200_000;
const BINS = 40;

type Plain = Record<string, unknown>;

/** The figure in a file; null if it holds none. */
export function figureIn(text: string): Figure | null {
  const found = text.trimStart().startsWith('{') ? parsed(text) : inPage(text);
  const data = found?.['data'];
  if (found === null || !Array.isArray(data)) return null;
  return figureOf(data.filter(isPlain), isPlain(found['layout']) ? found['layout'] : {});
}

function figureOf(data: readonly Plain[], layout: Plain): Figure {
  const traces: Trace[] = [];
  const left: string[] = [];
  for (const [index, item] of data.entries()) {
    const trace = traceOf(item, index);
    if (trace === null) left.push(textOf(item['type']) || 'scatter');
    else if (trace.y.length <= MOST_POINTS) traces.push(trace);
    else left.push(`${trace.name}, of ${trace.y.length} points`);
  }
  return { title: titleOf(layout['title']), x: titleOf(partOf(layout, 'xaxis')['title']), y: titleOf(partOf(layout, 'yaxis')['title']), traces, left: [...new Set(left)] };
}

function traceOf(item: Plain, index: number): Trace | null {
  const type = textOf(item['type']) || 'scatter';
  const name = textOf(item['name']) || `trace ${index + 1}`;
  if (type === 'scatter' || type === 'scattergl') {
    const y = numbersOf(item['y']);
    const x = valuesOf(item['x']) ?? y.map((_, place) => place);
    const mode = textOf(item['mode']);
    const [lines, markers] = [mode === '' || mode.includes('lines'), mode.includes('markers')];
    return { name, kind: lines && markers ? 'both' : markers ? 'markers' : 'lines', x: x.slice(0, y.length), y };
  }
  if (type === 'bar') {
    const across = item['orientation'] === 'h';
    const y = numbersOf(item[across ? 'x' : 'y']);
    return { name, kind: 'bars', x: (valuesOf(item[across ? 'y' : 'x']) ?? y.map((_, place) => place)).slice(0, y.length), y };
  }
  if (type === 'histogram') return { name, kind: 'bars', ...binned(numbersOf(item['x'] ?? item['y'])) };
  return null;
}

/** How many values lie in each of some equal bins. */
export function binned(values: readonly (number | null)[]): { x: number[]; y: number[] } {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return { x: [], y: [] };
  const low = known.reduce((least, value) => Math.min(least, value), Infinity);
  const high = known.reduce((most, value) => Math.max(most, value), -Infinity);
  const width = (high - low) / BINS || 1;
  const counts = new Array<number>(high === low ? 1 : BINS).fill(0);
  for (const value of known) {
    const bin = Math.min(counts.length - 1, Math.floor((value - low) / width));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return { x: counts.map((_, bin) => low + (bin + 0.5) * width), y: counts };
}

/** The arguments of the call that draws a figure in a page that Plotly wrote. */
function inPage(text: string): Plain | null {
  const call = text.lastIndexOf('Plotly.newPlot(');
  if (call < 0) return null;
  const data = text.indexOf('[', call);
  const dataEnd = data < 0 ? -1 : endOf(text, data);
  if (dataEnd < 0) return null;
  const layout = text.indexOf('{', dataEnd);
  const layoutEnd = layout < 0 ? -1 : endOf(text, layout);
  return parsed(`{"data":${text.slice(data, dataEnd)},"layout":${layoutEnd < 0 ? '{}' : text.slice(layout, layoutEnd)}}`);
}

/** Behind the bracket that closes the one at a place; -1 if none does. */
function endOf(text: string, start: number): number {
  let [depth, inText] = [0, false];
  for (let at = start; at < text.length; at += 1) {
    const letter = text[at];
    if (inText) {
      if (letter === '\\') at += 1;
      else if (letter === '"') inText = false;
    } else if (letter === '"') inText = true;
    else if (letter === '[' || letter === '{') depth += 1;
    else if (letter === ']' || letter === '}') {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return -1;
}

function parsed(text: string): Plain | null {
  try {
    const found: unknown = JSON.parse(text);
    return isPlain(found) ? found : null;
  } catch {
    return null;
  }
}

function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function partOf(of: Plain, name: string): Plain {
  const found = of[name];
  return isPlain(found) ? found : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.replaceAll(/<[^>]*>/g, ' ').trim() : '';
}

function titleOf(value: unknown): string {
  return isPlain(value) ? textOf(value['text']) : textOf(value);
}

const READERS: Record<string, [bytes: number, read: (view: DataView, at: number) => number]> = {
  i1: [1, (view, at) => view.getInt8(at)],
  u1: [1, (view, at) => view.getUint8(at)],
  i2: [2, (view, at) => view.getInt16(at, true)],
  u2: [2, (view, at) => view.getUint16(at, true)],
  i4: [4, (view, at) => view.getInt32(at, true)],
  u4: [4, (view, at) => view.getUint32(at, true)],
  f4: [4, (view, at) => view.getFloat32(at, true)],
  f8: [8, (view, at) => view.getFloat64(at, true)],
};

/** The values of an array, written out or as bytes of NumPy in base64. */
function valuesOf(value: unknown): (number | string | null)[] | null {
  if (Array.isArray(value)) return value.map((item) => (typeof item === 'number' || typeof item === 'string' ? item : null));
  if (!isPlain(value)) return null;
  const reader = READERS[textOf(value['dtype']).replace(/^[<|]/, '')];
  if (reader === undefined || typeof value['bdata'] !== 'string') return null;
  const [size, read] = reader;
  const bytes = Uint8Array.from(atob(value['bdata']), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, index) => read(view, index * size));
}

function numbersOf(value: unknown): (number | null)[] {
  return (valuesOf(value) ?? []).map((item) => (item === null || item === '' || !Number.isFinite(Number(item)) ? null : Number(item)));
}
