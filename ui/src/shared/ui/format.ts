/** Numbers, times and sizes as people read them. */

const WHOLE = new Intl.NumberFormat('en');

export function whole(value: number): string {
  return WHOLE.format(value);
}

/** So far, as a share, a figure may be from what is shown and still be told as exact: what a float of 32 bits rounds off. */
const EXACT = 1e-7;

/** Four digits that matter, and all of a whole part; NaN and infinities by name. A rounded figure keeps its zeros, so that those
 * below each other end at the same place: 0.9180 below 0.9137, but 0.3 for what was set to it. */
export function number(value: number | string | null | undefined, digits = 4): string {
  if (value === null || value === undefined) return '–';
  const given = typeof value === 'string' ? Number(value) : value;
  if (Number.isNaN(given)) return 'NaN';
  if (!Number.isFinite(given)) return given > 0 ? '∞' : '−∞';
  if (given === 0) return '0';
  const size = Math.abs(given);
  if (Number.isInteger(given) && size < 1e7) return WHOLE.format(given).replace('-', '−');
  return (size >= 1e6 || size < 1e-4 ? given.toExponential(digits - 2) : plain(given, size, digits)).replace('-', '−');
}

function plain(given: number, size: number, digits: number): string {
  const places = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  const rounded = given.toFixed(places);
  const text = Math.abs(Number(rounded) - given) <= size * EXACT ? String(Number(rounded)) : rounded;
  const point = text.indexOf('.');
  return size < 1000 ? text : WHOLE.format(Number(point < 0 ? text : text.slice(0, point))) + (point < 0 ? '' : text.slice(point));
}

/** A part of a whole, in percent: two digits that matter, and all of a whole part. */
export function percent(share: number): string {
  const given = Math.abs(share * 100);
  return `${share < 0 ? '−' : ''}${given >= 99.5 ? whole(Math.round(given)) : given.toPrecision(2)}%`;
}

/** Seconds as the two largest units: 2h 14m, 3y 20d. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return '–';
  if (seconds < 1) return `${Math.max(0, Math.round(seconds * 1000))}ms`;
  if (seconds < 60) return `${seconds < 10 ? Number(seconds.toFixed(1)) : Math.round(seconds)}s`;
  const units: [string, number][] = [
    ['y', 31_536_000],
    ['d', 86400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ];
  const first = units.findIndex(([, size]) => seconds >= size);
  const [large, largeSize] = units[first] ?? ['s', 1];
  const next = units[first + 1];
  const count = Math.floor(seconds / largeSize);
  if (next === undefined) return `${count}${large}`;
  const rest = Math.floor((seconds - count * largeSize) / next[1]);
  return rest === 0 ? `${count}${large}` : `${count}${large} ${rest}${next[0]}`;
}

/** Milliseconds since 1970 as how long ago. */
export function age(at: number, now = Date.now()): string {
  const seconds = (now - at) / 1000;
  if (seconds < 0) return seconds > -60 ? 'now' : `in ${duration(-seconds)}`;
  if (seconds < 10) return 'now';
  if (seconds < 60) return `${Math.floor(seconds)}s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h ago`;
  if (seconds < 86400 * 30) return `${Math.floor(seconds / 86400)}d ago`;
  return new Date(at).toLocaleDateString('en', { year: 'numeric', month: 'short', day: 'numeric' });
}

export function clock(at: number): string {
  return new Date(at).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'medium' });
}

export function bytes(size: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  const place = size < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(size) / 3));
  const value = size / 1000 ** place;
  return `${place === 0 ? size : value.toFixed(value < 10 ? 1 : 0)} ${units[place] ?? ''}`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${whole(count)} ${count === 1 ? one : many}`;
}
