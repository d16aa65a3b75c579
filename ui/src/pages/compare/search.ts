/** What the address of a comparison says. */
export const FIGURES = ['last', 'low', 'high', 'best'] as const;
export type Figure = (typeof FIGURES)[number];

export interface CompareSearch {
  runs: string[];
  base?: string;
  equal?: boolean;
  figure?: Figure;
  /** The metric at whose best step the others are read. */
  at?: string;
}

export const MOST_COLUMNS = 20;

export function readCompareSearch(raw: Record<string, unknown>): CompareSearch {
  const given = Array.isArray(raw['runs']) ? raw['runs'] : typeof raw['runs'] === 'string' ? raw['runs'].split(',') : [];
  const runs = [...new Set(given.filter((item): item is string => typeof item === 'string' && item !== ''))].slice(0, MOST_COLUMNS);
  return {
    runs,
    ...(typeof raw['base'] === 'string' ? { base: raw['base'] } : {}),
    ...(raw['equal'] === true ? { equal: true } : {}),
    ...(FIGURES.includes(raw['figure'] as Figure) && raw['figure'] !== 'last' ? { figure: raw['figure'] as Figure } : {}),
    ...(typeof raw['at'] === 'string' ? { at: raw['at'] } : {}),
  };
}
