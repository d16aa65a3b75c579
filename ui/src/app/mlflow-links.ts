/** Addresses that MLflow's clients print, such as `/#/experiments/1/runs/ID`: where they lead here. */
export interface Place {
  to: string;
  search?: Record<string, string>;
}

type Rule = [RegExp, (part: (index: number) => string) => Place];

const RULES: readonly Rule[] = [
  [/^\/experiments\/[^/]+\/runs\/([^/]+)\/(?:artifacts|artifactPath)\/(.+)$/, (part) => ({ to: `/runs/${part(1)}`, search: { tab: 'artifacts', file: decoded(part(2)) } })],
  [/^\/experiments\/[^/]+\/runs\/([^/]+)\/artifacts$/, (part) => ({ to: `/runs/${part(1)}`, search: { tab: 'artifacts' } })],
  [/^\/experiments\/[^/]+\/runs\/([^/]+)\/(?:model-metrics|metrics)$/, (part) => ({ to: `/runs/${part(1)}`, search: { tab: 'charts' } })],
  [/^\/experiments\/[^/]+\/runs\/([^/]+)\/system-metrics$/, (part) => ({ to: `/runs/${part(1)}`, search: { tab: 'system' } })],
  [/^\/experiments\/[^/]+\/runs\/([^/]+)/, (part) => ({ to: `/runs/${part(1)}` })],
  [/^\/experiments\/([^/]+)/, (part) => ({ to: `/experiments/${part(1)}` })],
  [/^\/models\/([^/]+)\/versions\/(\d+)/, (part) => ({ to: `/models/${part(1)}/${part(2)}` })],
  [/^\/models\/([^/]+)/, (part) => ({ to: `/models/${part(1)}` })],
  [/^\/models$/, () => ({ to: '/models' })],
  [/^\/experiments$/, () => ({ to: '/experiments' })],
];

/** Where a fragment of MLflow's leads; null for a fragment that isn't one. */
export function placeOf(fragment: string): Place | null {
  const [path = '', query = ''] = fragment.replace(/^#/, '').split('?');
  if (path === '/compare-runs') return comparison(query);
  for (const [pattern, place] of RULES) {
    const found = pattern.exec(path.length > 1 ? path.replace(/\/$/, '') : path);
    if (found !== null) return place((index) => encodeURIComponent(decoded(found[index] ?? '')));
  }
  return null;
}

function comparison(query: string): Place | null {
  try {
    const runs = JSON.parse(new URLSearchParams(query).get('runs') ?? '') as unknown;
    return Array.isArray(runs) ? { to: '/compare', search: { runs: runs.join(',') } } : null;
  } catch {
    return null;
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The same as an address. */
export function addressOf({ to, search }: Place): string {
  return search === undefined ? to : `${to}?${new URLSearchParams(search).toString()}`;
}
