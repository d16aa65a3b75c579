/** How charts are drawn: axis, smoothing, logarithms, outliers, and which of them. */
import { Input, Toggle } from '@/shared/ui/controls';
import type { Told } from '@/shared/search';
import { Tip } from '@/shared/ui/overlays';
import { Picker } from '@/shared/ui/picker';
import { useMemo } from 'react';
import type { ChartSettings } from './charts';
import type { ChartSearch } from './chart-search';

export function settingsOf(search: ChartSearch, axis = 'step'): ChartSettings {
  return { axis: search.x ?? axis, smoothing: search.smooth ?? 0, xLog: search.xlog === true, yLog: search.ylog === true, usual: search.usual === true };
}

const AXES = [
  { value: 'step', label: 'Step' },
  { value: 'relative', label: 'Time since the start' },
  { value: 'time', label: 'Clock time' },
];

export function ChartOptions({ settings, metrics, find, onFind, change }: { settings: ChartSettings; metrics: readonly string[]; find: string; onFind: (text: string) => void; change: (change: Told<ChartSearch>) => void }) {
  const axes = useMemo(() => [...AXES, ...metrics.map((key) => ({ value: key, label: key }))], [metrics]);
  return (
    <div className="chart-options">
      <Input icon="search" placeholder="Find a chart" aria-label="Find a chart" value={find} onChange={(event) => onFind(event.target.value)} className="chart-find" />
      <Picker label="Horizontal axis" prefix="x" value={settings.axis} options={axes} onChange={(x) => change({ x })} />
      <Tip text="Smooths the lines; what was logged stays behind them, pale">
        <label className="smooth">
          <span className="quiet">Smooth</span>
          <input type="range" min={0} max={0.99} step={0.01} value={settings.smoothing} aria-label="Smoothing" onChange={(event) => change({ smooth: Number(event.target.value) || undefined })} />
          <span className="smooth-value">{settings.smoothing.toFixed(2)}</span>
        </label>
      </Tip>
      <div className="segmented" role="group" aria-label="Axes">
        <Toggle label="Log x" tip="A logarithmic horizontal axis" on={settings.xLog} onChange={(on) => change({ xlog: on || undefined })} />
        <Toggle label="Log y" tip="A logarithmic vertical axis" on={settings.yLog} onChange={(on) => change({ ylog: on || undefined })} />
        <Toggle label="No outliers" tip="Leaves out of the vertical axis what is far from all the rest" on={settings.usual} onChange={(on) => change({ usual: on || undefined })} />
      </div>
    </div>
  );
}
