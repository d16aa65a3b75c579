/** How expectations fare, in words. Pure. */
import type { Check } from '@/api/features';
import { whole } from '@/shared/ui/format';
import type { Tone } from '@/shared/ui/marks';

/** Those of a group and of its source, what is broken first. */
export function checksOf(checks: readonly Check[], group: string, source: string | null): Check[] {
  const rank = (check: Check) => (check.outcome === 'feature' ? 0 : 1) + (check.broken > 0 ? 0 : 2);
  return checks.filter((check) => check.subject === `group:${group}` || check.subject === `source:${source ?? ''}`).toSorted((a, b) => rank(a) - rank(b));
}

export function fares({ outcome, broken, checked, at }: Check): readonly [Tone, string] {
  if (outcome === 'feature') {
    if (at === null) return ['quiet', 'no sample yet'];
    const of = checked === null ? '' : ` of ${whole(checked)}`;
    return broken > 0 ? ['bad', `${whole(broken)}${of} break it`] : ['ok', `all${of} hold`];
  }
  if (broken === 0) return ['ok', 'never broken'];
  return ['warn', outcome === 'quarantined' ? `${whole(broken)} set aside` : `${whole(broken)} refused`];
}
