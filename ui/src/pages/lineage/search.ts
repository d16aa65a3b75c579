/** What the address of a lineage says: whether it shows what would change. */
export interface LineageSearch {
  impact?: boolean;
}

export function readLineageSearch(raw: Record<string, unknown>): LineageSearch {
  return raw['impact'] === true || raw['impact'] === 'true' ? { impact: true } : {};
}
