/** Which colour a run has: its id decides, so that it keeps it in every chart and table. */

export const COLOURS = 12;
const DASHES: readonly (readonly number[])[] = [[], [6, 3], [2, 3], [9, 3, 2, 3]];

export interface Look {
  /** A custom property of tokens.css. */
  colour: string;
  dash: readonly number[];
}

function preferred(id: string): number {
  let hash = 2166136261;
  for (let at = 0; at < id.length; at += 1) hash = Math.imul(hash ^ id.charCodeAt(at), 16777619);
  return (hash >>> 0) % COLOURS;
}

/** Looks for groups by their labels, each once and in order: the few that there are stay far from each other. */
export function looksOfGroups(labels: Iterable<string>): Map<string, Look> {
  const names = [...new Set(labels)].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  return new Map(names.map((name, place) => [name, { colour: `--run-${place % COLOURS}`, dash: DASHES[Math.floor(place / COLOURS) % DASHES.length] ?? [] }]));
}

/** Looks for runs that are shown together: each its own colour if it is free, else the next; dashes once colours run out. */
export function looks(ids: readonly string[]): Map<string, Look> {
  const found = new Map<string, Look>();
  let taken = new Set<number>();
  let round = 0;
  for (const id of [...ids].sort()) {
    if (taken.size === COLOURS) {
      taken = new Set();
      round += 1;
    }
    let colour = preferred(id);
    while (taken.has(colour)) colour = (colour + 1) % COLOURS;
    taken.add(colour);
    found.set(id, { colour: `--run-${colour}`, dash: DASHES[round % DASHES.length] ?? [] });
  }
  return found;
}
