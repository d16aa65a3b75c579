/** What an address says of charts. Apart from the charts, for addresses are read before a page is here. */
import type { Told } from '@/shared/search';

/** What isn't there is as at first. */
export interface ChartSearch {
  /** `step`, `time`, `relative`, or the key of a metric. */
  x?: string;
  smooth?: number;
  xlog?: boolean;
  ylog?: boolean;
  /** Without outliers. */
  usual?: boolean;
}

export function readChartSearch(raw: Record<string, unknown>): Told<ChartSearch> {
  const smooth = Number(raw['smooth']);
  const on = (name: string) => (raw[name] === true ? true : undefined);
  return {
    x: typeof raw['x'] === 'string' && raw['x'] !== '' ? raw['x'] : typeof raw['x'] === 'number' ? String(raw['x']) : undefined,
    smooth: smooth > 0 && smooth < 1 ? smooth : undefined,
    xlog: on('xlog'),
    ylog: on('ylog'),
    usual: on('usual'),
  };
}
