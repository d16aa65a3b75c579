/** What was done to users and tokens, in words. Pure. */
import type { Act } from '@/api/accounts';

/** To whom or what, and each value before and after. */
export function told({ before, after }: Pick<Act, 'before' | 'after'>): string {
  const named = after['account'] ?? before['account'];
  const rest = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((key) => key !== 'account' && key !== 'address');
  const changes = rest.map((key) => (Object.hasOwn(before, key) ? `${key} ${plain(before[key])} → ${plain(after[key])}` : `${key} ${plain(after[key])}`));
  return [...(named === undefined ? [] : [plain(named)]), ...changes].join(', ');
}

function plain(value: unknown): string {
  if (value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)) return 'none';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'string' ? value : Array.isArray(value) ? value.join(' ') : JSON.stringify(value);
}
