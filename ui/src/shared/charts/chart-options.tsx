/** How charts are drawn: axis, smoothing, logarithms, and which of them. */
import { Input, Segmented, Select } from '@/shared/ui/controls';
import { Tip } from '@/shared/ui/overlays';
import type { ChartSettings } from './charts';

export function ChartOptions({ settings, metrics, find, onFind, change }: { settings: ChartSettings; metrics: readonly string[]; find: string; onFind: (text: string) => void; change: (change: { x?: string | undefined; smooth?: number | undefined; ylog?: boolean | undefined }) => void }) {
  const axes = [
    { value: 'step', label: 'Step' },
    { value: 'time', label: 'Time' },
    ...metrics.map((key) => ({ value: key, label: key })),
  ];
  return (
    <div className="chart-options">
      <Input icon="search" placeholder="Find a chart" aria-label="Find a chart" value={find} onChange={(event) => onFind(event.target.value)} className="chart-find" />
      <Select label="Horizontal axis" prefix="x" value={settings.axis} options={axes} onChange={(x) => change({ x: x === 'step' ? undefined : x })} />
      <Tip text="Smooths the lines; what was logged stays behind them, pale">
        <label className="smooth">
          <span className="quiet">Smooth</span>
          <input type="range" min={0} max={0.99} step={0.01} value={settings.smoothing} aria-label="Smoothing" onChange={(event) => change({ smooth: Number(event.target.value) || undefined })} />
          <span className="smooth-value">{settings.smoothing.toFixed(2)}</span>
        </label>
      </Tip>
      <Segmented
        label="Vertical axis"
        value={settings.yLog ? 'log' : 'linear'}
        choices={[
          { value: 'linear', label: 'Linear' },
          { value: 'log', label: 'Log' },
        ]}
        onChange={(scale) => change({ ylog: scale === 'log' ? true : undefined })}
      />
    </div>
  );
}
