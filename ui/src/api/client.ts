/** The one way to the server: typed by its OpenAPI document, errors as Problem. */
import { release } from './release';
import { address, ask, taken } from './request';
import type { components, paths } from './schema';

export type Schemas = components['schemas'];

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
type PathOf<M extends Method> = { [P in keyof paths]: paths[P] extends Record<M, { responses: unknown }> ? P : never }[keyof paths];
type Operation<P extends keyof paths, M extends Method> = paths[P] extends Record<M, infer O> ? O : never;
type Json<R> = R extends { responses: { 200: { content: { 'application/json': infer T } } } } ? T : unknown;
type Body<R> = R extends { requestBody: { content: { 'application/json': infer T } } } ? T : never;
type Parameters<R> = R extends { parameters: infer T } ? T : never;
type PathPart<R> = Parameters<R> extends { path: infer T } ? T : Record<string, never>;
type QueryPart<R> = Parameters<R> extends { query?: infer T } ? T : Record<string, never>;

/** What went wrong, as the server says it (RFC 9457); status 0 when it couldn't be reached. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    detail: string,
    readonly requestId = '',
    readonly document: Record<string, unknown> = {},
  ) {
    super(detail);
    this.name = 'Problem';
  }
}

interface Options<R> {
  path?: PathPart<R>;
  query?: QueryPart<R>;
  signal?: AbortSignal | undefined;
  headers?: Readonly<Record<string, string>>;
}

export async function get<P extends PathOf<'get'>>(path: P, options: Options<Operation<P, 'get'>> = {}): Promise<Json<Operation<P, 'get'>>> {
  const answer = await send('GET', address(path, options), undefined, options.signal);
  return (await answer.json()) as Json<Operation<P, 'get'>>;
}

export async function post<P extends PathOf<'post'>>(
  path: P,
  body: Body<Operation<P, 'post'>>,
  options: Options<Operation<P, 'post'>> = {},
): Promise<Json<Operation<P, 'post'>>> {
  const answer = await send('POST', address(path, options), JSON.stringify(body), options.signal, options.headers);
  return (await answer.json()) as Json<Operation<P, 'post'>>;
}

export async function put<P extends PathOf<'put'>>(
  path: P,
  body: Body<Operation<P, 'put'>>,
  options: Options<Operation<P, 'put'>> = {},
): Promise<Json<Operation<P, 'put'>>> {
  const answer = await send('PUT', address(path, options), JSON.stringify(body), options.signal);
  return (await answer.json()) as Json<Operation<P, 'put'>>;
}

export async function patch<P extends PathOf<'patch'>>(
  path: P,
  body: Body<Operation<P, 'patch'>>,
  options: Options<Operation<P, 'patch'>> = {},
): Promise<Json<Operation<P, 'patch'>>> {
  const answer = await send('PATCH', address(path, options), JSON.stringify(body), options.signal);
  return (await answer.json()) as Json<Operation<P, 'patch'>>;
}

export async function remove<P extends PathOf<'delete'>>(path: P, options: Options<Operation<P, 'delete'>> = {}): Promise<Json<Operation<P, 'delete'>>> {
  const answer = await send('DELETE', address(path, options), undefined, options.signal);
  return (await answer.json()) as Json<Operation<P, 'delete'>>;
}

/** A POST whose answer is bytes. */
export async function postForBytes<P extends PathOf<'post'>>(path: P, body: Body<Operation<P, 'post'>>, signal?: AbortSignal): Promise<ArrayBuffer> {
  const answer = await send('POST', path, JSON.stringify(body), signal);
  return answer.arrayBuffer();
}

/** Bytes of a text that are read at once, unless it is said. */
const MOST_TEXT = 2_000_000;
const NEW_LINE = 10;

/** Part of a text, and where in the file it is, in bytes. */
export interface TextPart {
  text: string;
  start: number;
  end: number;
  size: number;
}

/** Bytes of a file, where they begin, how long it is, and the tag of what it is now. */
export interface Bytes {
  bytes: Uint8Array;
  start: number;
  size: number;
  tag: string;
}

/** A file from a byte to before another; with a negative start that many bytes from the end. Null while the file still has the tag. */
export async function getBytes(url: string, start: number, end: number, tag: string, signal?: AbortSignal): Promise<Bytes | null> {
  let answer: Response;
  try {
    answer = await send('GET', url, undefined, signal, { range: start < 0 ? `bytes=${start}` : `bytes=${start}-${end - 1}`, ...(tag === '' ? {} : { 'if-none-match': tag }) });
  } catch (error) {
    if (error instanceof Problem && error.status === 304) return null;
    if (error instanceof Problem && error.status === 416) return { bytes: new Uint8Array(), start: 0, size: 0, tag: '' }; // an empty file has no ranges, one that was cut has none there
    throw error;
  }
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const told = /^bytes (\d+)-\d+\/(\d+)$/.exec(answer.headers.get('content-range') ?? '');
  const [place, size] = told === null ? [0, bytes.length] : [Number(told[1]), Number(told[2])];
  return { bytes, start: place, size, tag: answer.headers.get('etag') ?? '' };
}

/** A text from a byte to before another, whole lines of it. */
export async function getText(url: string, signal?: AbortSignal, start = 0, most = MOST_TEXT): Promise<TextPart> {
  const read = await getBytes(url, start, start + most, '', signal);
  return read === null ? { text: '', start, end: start, size: start } : wholeLines(read.bytes, read);
}

/** Leaves out the line that the end of a part cuts off. A line that is longer than the part is cut between two letters. */
export function wholeLines(bytes: Uint8Array, { start, size }: { start: number; size: number }): TextPart {
  let to = bytes.length;
  if (start + to < size) {
    to = bytes.lastIndexOf(NEW_LINE) + 1;
    if (to === 0) {
      to = bytes.length;
      while (to > 1 && ((bytes[to - 1] ?? 0) & 0xc0) === 0x80) to -= 1;
      if ((bytes[to - 1] ?? 0) >= 0xc0 && to > 1) to -= 1;
    }
  }
  return { text: new TextDecoder().decode(bytes.subarray(0, to)), start, end: start + to, size };
}

async function send(method: string, url: string, body?: string, signal?: AbortSignal, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await (taken(method, url, body) ?? ask(method, url, body, signal, headers));
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new Problem(0, 'The server can’t be reached', 'It may be restarting, or the network is down. This page keeps what it has.');
  }
  release.hear(answer.headers.get('x-headrace-release'));
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

async function problemOf(answer: Response): Promise<Problem> {
  const requestId = answer.headers.get('x-request-id') ?? '';
  try {
    const document = (await answer.json()) as Record<string, unknown>;
    const said = (name: string, other: string) => (typeof document[name] === 'string' ? document[name] : other);
    return new Problem(answer.status, said('title', answer.statusText), said('detail', said('message', answer.statusText)), requestId, document);
  } catch {
    return new Problem(answer.status, answer.statusText || `Status ${answer.status}`, 'The server sent no explanation.', requestId);
  }
}
