/** A figure over time, oldest first, small. */
import { number } from '@/shared/ui/format';

export function Sparkline({ values, what, told = number }: { values: readonly (number | string | null | undefined)[]; what: string; told?: (value: number | undefined) => string }) {
  const points = values.filter((value) => value !== null && value !== undefined).map(Number).filter(Number.isFinite);
  if (points.length < 2) return <div className="spark" />;
  const [low, high] = [Math.min(...points), Math.max(...points)];
  const path = points.map((value, index) => `${(index / (points.length - 1)) * 76 + 2},${22 - ((value - low) / (high - low || 1)) * 18}`).join(' ');
  return (
    <svg className="spark" viewBox="0 0 80 26" role="img" aria-label={`${what} over time: from ${told(points[0])} to ${told(points.at(-1))}`}>
      <polyline points={path} fill="none" stroke="var(--accent)" strokeWidth="1.5" strokeLinejoin="round" />
    </svg>
  );
}
