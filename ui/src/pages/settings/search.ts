/** What the address of the settings says: which part, and whose deliveries are shown. */
export const PARTS = ['account', 'users', 'webhooks', 'server'] as const;
export type Part = (typeof PARTS)[number];

export interface SettingsSearch {
  part?: Part;
  webhook?: string;
}

export function readSettingsSearch(raw: Record<string, unknown>): SettingsSearch {
  const part = PARTS.find((name) => name === raw['part'] && name !== 'account');
  return { ...(part === undefined ? {} : { part }), ...(part === 'webhooks' && typeof raw['webhook'] === 'string' ? { webhook: raw['webhook'] } : {}) };
}
