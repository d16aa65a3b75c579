/** How the server is asked. Apart from the client, so that the page's head can begin what the app will ask before the app is here. */

/** So long an answer that the head began to read is as good as one that is asked for now, in milliseconds from the start. */
const FRESH = 30_000;

export type Begun = Map<string, Promise<Response>>;

declare global {
  interface Window {
    headraceBegun?: Begun;
  }
}

export function ask(method: string, url: string, body?: string, signal?: AbortSignal, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(url, {
    method,
    signal: signal ?? null,
    credentials: 'same-origin',
    headers: { ...headers, 'x-requested-with': 'headrace', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body }),
  });
}

/** Asks for what the app will ask for; the app gets this answer. */
export function begin(method: string, url: string, body?: string): void {
  const answer = ask(method, url, body);
  answer.catch(() => undefined); // whoever takes it is told
  (window.headraceBegun ??= new Map()).set(nameOf(method, url, body), answer);
}

/** The answer to a request that was begun, once. */
export function taken(method: string, url: string, body?: string): Promise<Response> | undefined {
  const begun = typeof window === 'undefined' ? undefined : window.headraceBegun;
  if (begun === undefined) return undefined;
  if (performance.now() > FRESH) begun.clear();
  const found = begun.get(nameOf(method, url, body));
  begun.delete(nameOf(method, url, body));
  return found;
}

/** A path with its parts and its query filled in, encoded. */
export function address(path: string, options: { path?: unknown; query?: unknown } = {}): string {
  const parts = (options.path ?? {}) as Record<string, string>;
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    (parts[name] ?? '').split('/').map(encodeURIComponent).join(name === 'path' || name === 'urn' ? '/' : '%2F'),
  );
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries((options.query ?? {}) as Record<string, string | number | boolean | null | undefined>)) {
    if (value !== undefined && value !== null) query.set(name, String(value));
  }
  const text = query.toString();
  return text === '' ? filled : `${filled}?${text}`;
}

function nameOf(method: string, url: string, body = ''): string {
  return `${method} ${url} ${body}`;
}
