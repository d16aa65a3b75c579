/** What the address of an experiment says: the filter, the order, the columns, what is shown and how. */
import type { Band } from '@/shared/chart/series';
import { readChartSearch, type ChartSearch } from '@/shared/charts/chart-options';
import { told } from '@/shared/search';

export const MODES = ['both', 'table', 'charts', 'scatter', 'parallel', 'importance'] as const;
export type Mode = (typeof MODES)[number];

export interface ExperimentSearch extends ChartSearch {
  q?: string;
  sort?: string;
  cols?: string[];
  /** The runs that are shown; without it, the first ten of the table. */
  show?: string[];
  /** Params or tags whose values make groups. */
  by?: string[];
  band?: Band;
  mode?: Mode;
  deleted?: boolean;
  /** The axes of a scatter plot, or of parallel coordinates. */
  axes?: string[];
}

export const FIRST_SHOWN = 10;

function texts(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.length > 0 ? value.filter((item): item is string => typeof item === 'string') : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : undefined;
}

/** Reads an address; what isn't understood is left out, so that an old link still opens. */
export function readExperimentSearch(raw: Record<string, unknown>): ExperimentSearch {
  return told<ExperimentSearch>({
    q: text(raw['q']),
    sort: text(raw['sort']),
    cols: texts(raw['cols']),
    show: Array.isArray(raw['show']) ? (texts(raw['show']) ?? []) : undefined,
    by: texts(raw['by']),
    band: (['std', 'se', 'range'] as const).find((band) => band === raw['band']),
    mode: MODES.find((mode) => mode === raw['mode']),
    ...readChartSearch(raw),
    deleted: raw['deleted'] === true ? true : undefined,
    axes: texts(raw['axes']),
  });
}
