/** What the address of the catalog says: which definitions are shown. */
export interface FeaturesSearch {
  q?: string;
  kind?: 'group' | 'view';
  entity?: string;
  owner?: string;
}

export function readFeaturesSearch(raw: Record<string, unknown>): FeaturesSearch {
  const text = (key: string) => (typeof raw[key] === 'string' && raw[key] !== '' ? raw[key] : typeof raw[key] === 'number' ? String(raw[key]) : undefined);
  const kind = (['group', 'view'] as const).find((one) => one === raw['kind']);
  const found = { q: text('q'), kind, entity: text('entity'), owner: text('owner') };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}
