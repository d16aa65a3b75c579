/** What the address of a run says. */
export const TABS = ['overview', 'charts', 'system', 'logs', 'artifacts', 'code', 'lineage'] as const;
export type Tab = (typeof TABS)[number];

export interface RunSearch {
  tab?: Tab;
  file?: string;
  x?: string;
  smooth?: number;
  ylog?: boolean;
}

export function readRunSearch(raw: Record<string, unknown>): RunSearch {
  const smooth = Number(raw['smooth']);
  const found: RunSearch = {
    tab: TABS.find((tab) => tab === raw['tab']),
    file: typeof raw['file'] === 'string' ? raw['file'] : undefined,
    x: typeof raw['x'] === 'string' ? raw['x'] : undefined,
    smooth: smooth > 0 && smooth < 1 ? smooth : undefined,
    ylog: raw['ylog'] === true ? true : undefined,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}
