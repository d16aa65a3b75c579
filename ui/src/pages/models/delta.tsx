/** How much a figure is above or below another; better, worse or neither. */
import { number } from '@/shared/ui/format';

/** `less`: whether less is better; null where that isn't known. */
export function Delta({ change, less, digits, than }: { change: number; less: boolean | null; digits: number; than: string }) {
  const better = less === null || change === 0 ? undefined : less === change < 0;
  return (
    <span className="delta" data-better={better}>
      {change === 0 ? '±0' : `${change > 0 ? '+' : '−'}${number(Math.abs(change), digits)}`}
      {better !== undefined && <span className="unseen">{` ${better ? 'better' : 'worse'} ${than}`}</span>}
    </span>
  );
}
