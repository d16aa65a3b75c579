/**
 * Saved views: what the address of an experiment says, under a name.
 *
 * A view of the team is a tag of the experiment, so it goes where the experiment goes: into exports, imports and backups. Who may
 * not write keeps views in the browser alone.
 */
export interface View {
  name: string;
  search: Readonly<Record<string, unknown>>;
}

/** A view that the server keeps: of which experiments, under which tag, made by whom. */
export interface SharedView extends View {
  tag: string;
  of: string;
  by: string;
}

const PREFIX = 'headrace.views.';
const TAG = 'headrace.view/';
/** Longer tags are cut by the server. */
export const LONGEST = 8000;

interface Tagged {
  id: string;
  tags: Readonly<Record<string, string>>;
}

/** The views that the experiments bear, by name. */
export function sharedViews(experiments: readonly Tagged[]): SharedView[] {
  return experiments
    .flatMap(({ id, tags }) => Object.entries(tags).flatMap(([tag, text]) => (tag.startsWith(TAG) ? read(id, tag, text) : [])))
    .sort((a, b) => a.name.localeCompare(b.name) || a.tag.localeCompare(b.tag));
}

function read(id: string, tag: string, text: string): SharedView[] {
  try {
    const view = JSON.parse(text) as Partial<SharedView> | null;
    if (typeof view?.name !== 'string') return [];
    return [{ name: view.name, search: { ...view.search }, tag, of: typeof view.of === 'string' ? view.of : id, by: typeof view.by === 'string' ? view.by : '' }];
  } catch {
    return [];
  }
}

/** A view as the tag of its (first) experiment; the one of that name is replaced. */
export function tagOf(view: View, of: string, by: string, known: readonly SharedView[]): { tag: string; text: string } {
  const fresh = () => [...crypto.getRandomValues(new Uint8Array(6))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  const tag = known.find((other) => other.of === of && other.name === view.name)?.tag ?? `${TAG}${fresh()}`;
  return { tag, text: JSON.stringify({ name: view.name, search: view.search, of, by }) };
}

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
