/** Charts as rows of what is scrolled: titles of sections, and a few charts beside each other. */

export type ChartRow =
  | { kind: 'title'; id: string; name: string; count: number; open: boolean }
  | { kind: 'charts'; id: string; keys: string[] }
  /** The metrics that have no points in the runs shown. */
  | { kind: 'bare'; id: string };

/** Charts in sections by the part of the key before the first slash; what the system logs comes last. */
export function sections(keys: Readonly<Record<string, number>>, find: string): [string, string[]][] {
  const wanted = find.toLowerCase();
  const found = new Map<string, string[]>();
  for (const key of Object.keys(keys).sort()) {
    if (!key.toLowerCase().includes(wanted)) continue;
    const slash = key.indexOf('/');
    const section = slash > 0 ? key.slice(0, slash) : '';
    const held = found.get(section);
    if (held === undefined) found.set(section, [key]);
    else held.push(key);
  }
  const rank = (name: string) => (name === 'system' ? 2 : name === '' ? 0 : 1);
  return [...found].sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b));
}

/** How many charts the largest section has. */
export function longest(keys: Readonly<Record<string, number>>, find: string): number {
  return sections(keys, find).reduce((most, [, list]) => Math.max(most, list.length), 0);
}

interface Layout {
  find: string;
  /** Sections that somebody closed. */
  closed: ReadonlySet<string>;
  /** Keys that are left out. */
  without: ReadonlySet<string>;
  columns: number;
}

export function rowsOf(keys: Readonly<Record<string, number>>, { find, closed, without, columns }: Layout): ChartRow[] {
  const groups = sections(keys, find);
  const rows: ChartRow[] = [];
  for (const [name, all] of groups) {
    const open = groups.length === 1 || !closed.has(name) || find !== '';
    if (groups.length > 1) rows.push({ kind: 'title', id: `title ${name}`, name, count: all.length, open });
    if (!open) continue;
    const list = without.size === 0 ? all : all.filter((key) => !without.has(key));
    for (let at = 0; at < list.length; at += columns) rows.push({ kind: 'charts', id: `${name} ${at}`, keys: list.slice(at, at + columns) });
  }
  if (without.size > 0) rows.push({ kind: 'bare', id: 'bare' });
  return rows;
}
