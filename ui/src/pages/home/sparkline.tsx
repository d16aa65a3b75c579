/** A curve in a line of text; the number beside it says what it came to. */
import type { Points } from '@/api/curves';
import { extent } from '@/shared/chart/series';

const [WIDTH, HEIGHT, EDGE] = [128, 30, 3];

export function Sparkline({ points, label }: { points: Points | undefined; label: string }) {
  const across = points === undefined ? null : extent([points.x]);
  const up = points === undefined ? null : extent([points.last]);
  if (points === undefined || across === null || up === null) return <svg className="sparkline" width={WIDTH} height={HEIGHT} aria-hidden="true" />;
  const place = (value: number, [low, high]: readonly [number, number], size: number) => EDGE + (high > low ? (value - low) / (high - low) : 0.5) * (size - 2 * EDGE);
  let path = '';
  let pen = 'M';
  points.x.forEach((x, index) => {
    const y = points.last[index] ?? NaN;
    if (!Number.isFinite(y)) {
      pen = 'M';
      return;
    }
    path += `${pen}${place(x, across, WIDTH).toFixed(1)} ${(HEIGHT - place(y, up, HEIGHT)).toFixed(1)}`;
    pen = 'L';
  });
  return (
    <svg className="sparkline" width={WIDTH} height={HEIGHT} role="img" aria-label={label}>
      <path d={path} fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinejoin="round" strokeLinecap="round" />
    </svg>
  );
}
