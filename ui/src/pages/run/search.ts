/** What the address of a run says. */
import { readChartSearch, type ChartSearch } from '@/shared/charts/chart-search';
import { told } from '@/shared/search';

export const TABS = ['overview', 'charts', 'system', 'logs', 'artifacts', 'code', 'lineage'] as const;
export type Tab = (typeof TABS)[number];

export interface RunSearch extends ChartSearch {
  tab?: Tab;
  file?: string;
}

export function readRunSearch(raw: Record<string, unknown>): RunSearch {
  return told<RunSearch>({
    tab: TABS.find((tab) => tab === raw['tab']),
    file: typeof raw['file'] === 'string' ? raw['file'] : undefined,
    ...readChartSearch(raw),
  });
}
