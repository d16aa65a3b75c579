/** What the address of an experiment says: the filter, the order, the columns, what is shown and how. */
import type { Band } from '@/shared/chart/series';
import { readChartSearch, type ChartSearch } from '@/shared/charts/chart-search';
import { told } from '@/shared/search';
import { readTableSearch, texts, type TableSearch } from './table-query';

export const MODES = ['both', 'table', 'charts', 'scatter', 'parallel', 'importance'] as const;
export type Mode = (typeof MODES)[number];

export interface ExperimentSearch extends ChartSearch, TableSearch {
  /** The runs that are shown; without it, the first ten of the table. */
  show?: string[];
  band?: Band;
  mode?: Mode;
  /** The axes of a scatter plot, or of parallel coordinates. */
  axes?: string[];
}

export const FIRST_SHOWN = 10;

/** Reads an address; what isn't understood is left out, so that an old link still opens. */
export function readExperimentSearch(raw: Record<string, unknown>): ExperimentSearch {
  return told<ExperimentSearch>({
    ...readTableSearch(raw),
    show: Array.isArray(raw['show']) ? (texts(raw['show']) ?? []) : undefined,
    band: (['std', 'se', 'range'] as const).find((band) => band === raw['band']),
    mode: MODES.find((mode) => mode === raw['mode']),
    ...readChartSearch(raw),
    axes: texts(raw['axes']),
  });
}
