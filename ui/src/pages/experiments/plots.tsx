/** All matching runs at once: scatter, parallel coordinates, what mattered. */
import type { Schemas } from '@/api/client';
import type { Look } from '@/shared/chart/palette';
import type { Change } from './experiment';
import { Importance } from './importance';
import { Parallel } from './parallel';
import { Scatter } from './scatter';
import type { ExperimentSearch } from './search';

export interface PlotProps {
  experiments: string;
  search: ExperimentSearch;
  keys: Schemas['RunKeys'] | undefined;
  looks: ReadonlyMap<string, Look>;
  change: Change;
}

export function Plots({ mode, ...rest }: PlotProps & { mode: 'scatter' | 'parallel' | 'importance' }) {
  if (mode === 'scatter') return <Scatter {...rest} />;
  return mode === 'parallel' ? <Parallel {...rest} /> : <Importance {...rest} />;
}
