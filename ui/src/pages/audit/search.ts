/** What the address of the audit says: which entries. */
export interface AuditSearch {
  q?: string;
  action?: string;
  user?: string;
  /** Within so many days. */
  days?: string;
  /** One entry, by the start of its hash: a link to it stays right, since entries never change. */
  entry?: string;
}

export function readAuditSearch(raw: Record<string, unknown>): AuditSearch {
  const text = (key: string) => (typeof raw[key] === 'string' && raw[key] !== '' ? raw[key] : typeof raw[key] === 'number' ? String(raw[key]) : undefined);
  const found = { q: text('q'), action: text('action'), user: text('user'), days: /^\d{1,4}$/.test(text('days') ?? '') ? text('days') : undefined, entry: text('entry') };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}
