/** Saved views: what the address of an experiment says, under a name, kept in this browser. */
export interface View {
  name: string;
  search: Readonly<Record<string, unknown>>;
}

const PREFIX = 'headrace.views.';

export function viewsOf(experiments: string): View[] {
  try {
    const kept = JSON.parse(localStorage.getItem(PREFIX + experiments) ?? '[]') as unknown;
    if (!Array.isArray(kept)) return [];
    return kept.flatMap((item: Partial<View> | null) => (typeof item?.name === 'string' ? [{ name: item.name, search: { ...item.search } }] : []));
  } catch {
    return [];
  }
}

export function keepViews(experiments: string, views: readonly View[]): void {
  if (views.length === 0) localStorage.removeItem(PREFIX + experiments);
  else localStorage.setItem(PREFIX + experiments, JSON.stringify(views));
}

/** Every view of this browser, with the experiments that it is of. */
export function allViews(): { experiments: string; view: View }[] {
  return Object.keys(localStorage)
    .filter((key) => key.startsWith(PREFIX))
    .map((key) => key.slice(PREFIX.length))
    .sort()
    .flatMap((experiments) => viewsOf(experiments).map((view) => ({ experiments, view })));
}
