/** What the address of a comparison says. */
import { readChartSearch, type ChartSearch } from '@/shared/charts/chart-search';
import { told, type Told } from '@/shared/search';

export const FIGURES = ['last', 'low', 'high', 'best'] as const;
export type Figure = (typeof FIGURES)[number];

export interface CompareSearch extends ChartSearch {
  runs: string[];
  base?: string;
  equal?: boolean;
  /** Charts instead of facts. */
  charts?: boolean;
  figure?: Figure;
  /** The metric at whose best step the others are read. */
  at?: string;
}

export type CompareChange = Told<CompareSearch>;

/** So many are side by side at once; the others come when one of these is left out. */
const MOST_COLUMNS = 20;
const MOST_RUNS = 200;

export function sideBySide(search: CompareSearch): { shown: string[]; waiting: string[] } {
  return { shown: search.runs.slice(0, MOST_COLUMNS), waiting: search.runs.slice(MOST_COLUMNS) };
}

export function readCompareSearch(raw: Record<string, unknown>): CompareSearch {
  const given = Array.isArray(raw['runs']) ? raw['runs'] : typeof raw['runs'] === 'string' ? raw['runs'].split(',') : [];
  const runs = [...new Set(given.filter((item): item is string => typeof item === 'string' && item !== ''))].slice(0, MOST_RUNS);
  const found = told<CompareSearch>({
    base: typeof raw['base'] === 'string' ? raw['base'] : undefined,
    equal: raw['equal'] === true ? true : undefined,
    charts: raw['charts'] === true ? true : undefined,
    figure: FIGURES.find((figure) => figure === raw['figure'] && figure !== 'last'),
    at: typeof raw['at'] === 'string' ? raw['at'] : undefined,
    ...readChartSearch(raw),
  });
  return { runs, ...found };
}
