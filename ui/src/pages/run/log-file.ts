/** A log as it is read: a stretch of its lines, which moves along the file, and grows as the file does. */
import type { Bytes } from '@/api/client';

/** Bytes that are read at once. */
const PART = 1 << 20;
/** So many bytes before its end tell whether a file that has grown still begins as it did. */
const CHECKED = 1 << 14;
/** What is kept of a file at most; what is farther from where one reads is let go of. */
const KEPT_BYTES = 8 * PART;
const KEPT_LINES = 200_000;
const NEW_LINE = 10;

/** Lines that were read together: where in the file they are, and the last bytes of them. */
interface Block {
  start: number;
  end: number;
  lines: string[];
  tail: Uint8Array;
}

export interface Stretch {
  blocks: readonly Block[];
  /** Where it begins and ends in the file, in bytes. */
  start: number;
  end: number;
  /** How long the file is. */
  size: number;
  tag: string;
  /** What comes after its end, if that is the file's: a line that isn't whole yet. */
  rest: string;
  restBytes: number;
  /** The number of its first line; null if that isn't known. */
  number: number | null;
  /** Counts how often another file was found at this place. */
  generation: number;
}

/** Reads a file from a byte to before another, or so many bytes of its end; null while it still has the tag. */
type Read = (start: number, end: number, tag: string) => Promise<Bytes | null>;

/** Reads one after the other: each goes on from where the one before it has come to. */
export class LogFile {
  private stretch: Stretch | null = null;
  private before: Promise<unknown> = Promise.resolve();

  constructor(private readonly read: Read) {}

  /** What is new since the last time; at first the end of the file. */
  follow = (): Promise<Stretch> => this.next((held) => (held === null ? openEnd(this.read, 0) : grown(this.read, held)));
  toEnd = (): Promise<Stretch> => this.next((held) => openEnd(this.read, held?.generation ?? 0));
  earlier = (): Promise<Stretch> => this.next((held) => (held === null ? openEnd(this.read, 0) : withEarlier(this.read, held)));
  later = (): Promise<Stretch> => this.next((held) => (held === null ? openEnd(this.read, 0) : withLater(this.read, held)));
  /** From a line on, whose number is known; and what is before it. */
  at = (start: number, number: number): Promise<Stretch> =>
    this.next(async (held) => withEarlier(this.read, await opened(this.read, start, number, held?.generation ?? 0)));

  private next(step: (held: Stretch | null) => Promise<Stretch>): Promise<Stretch> {
    const done = this.before.then(async () => (this.stretch = await step(this.stretch)));
    this.before = done.catch(() => undefined);
    return done;
  }
}

export function atEnd({ end, restBytes, size }: Stretch): boolean {
  return end + restBytes >= size;
}

export function lineCount({ blocks, rest }: Stretch): number {
  return blocks.reduce((sum, { lines }) => sum + lines.length, rest === '' ? 0 : 1);
}

export function lineAt({ blocks, rest }: Stretch, index: number): string {
  let left = index;
  for (const { lines } of blocks) {
    const line = lines[left];
    if (line !== undefined) return line;
    left -= lines.length;
  }
  return rest;
}

/** Where a line of an earlier stretch is in a later one; null if it isn't there any more. */
export function moved(from: Stretch, index: number, to: Stretch): number | null {
  if (from.generation !== to.generation) return null;
  let left = index;
  for (const { start, lines } of from.blocks) {
    if (left < lines.length) return placeOf(to, start, left);
    left -= lines.length;
  }
  return Math.max(0, lineCount(to) - 1);
}

function placeOf({ blocks }: Stretch, start: number, place: number): number | null {
  let before = 0;
  for (const block of blocks) {
    if (block.start === start) return before + place;
    before += block.lines.length;
  }
  return null;
}

const STYLE = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[ -/]*[@-~]`, 'g');

/** What a terminal shows of a line: what comes after the last return to its start, without colours. */
export function seen(line: string): string {
  const ended = line.replace(/\r+$/, '');
  return ended.slice(ended.lastIndexOf('\r') + 1).replaceAll(STYLE, '');
}

async function openEnd(read: Read, generation: number): Promise<Stretch> {
  const part = await read(-PART, 0, '');
  return part === null ? empty(generation) : stretchOf(part, part.start > 0, part.start > 0 ? null : 1, generation);
}

async function opened(read: Read, start: number, number: number, generation: number): Promise<Stretch> {
  const part = await read(start, start + PART, '');
  return part === null || part.bytes.length === 0 ? openEnd(read, generation + 1) : stretchOf(part, false, number, generation);
}

function empty(generation: number): Stretch {
  return { blocks: [], start: 0, end: 0, size: 0, tag: '', rest: '', restBytes: 0, number: 1, generation };
}

function stretchOf(part: Bytes, cutsLine: boolean, number: number | null, generation: number): Stretch {
  const from = cutsLine ? firstLine(part.bytes) : 0;
  const held = { ...empty(generation), start: part.start + from, end: part.start + from, number };
  return added(held, { ...part, bytes: part.bytes.subarray(from), start: part.start + from });
}

/** The stretch with what comes after it, which begins where it ends. */
function added(held: Stretch, { bytes, start, size, tag }: Bytes): Stretch {
  const isLast = start + bytes.length >= size;
  let cut = bytes.lastIndexOf(NEW_LINE) + 1;
  if (cut === 0 && (!isLast || bytes.length >= PART)) cut = between(bytes); // a line that is longer than a part
  const blocks = cut === 0 ? held.blocks : joined(held.blocks, blockOf(bytes.subarray(0, cut), start));
  const rest = isLast ? bytes.subarray(cut) : new Uint8Array();
  return { ...held, blocks, end: start + cut, size, tag, rest: decoded(rest), restBytes: rest.length };
}

function blockOf(bytes: Uint8Array, start: number): Block {
  const lines = decoded(bytes).split('\n');
  if (lines.at(-1) === '') lines.pop();
  return { start, end: start + bytes.length, lines, tail: bytes.slice(-CHECKED) };
}

/** Little blocks become one: a log that is followed for long grows by many. */
function joined(blocks: readonly Block[], next: Block): Block[] {
  const last = blocks.at(-1);
  if (last === undefined || next.end - last.start > PART) return [...blocks, next];
  const tail = new Uint8Array(last.tail.length + next.tail.length);
  tail.set(last.tail);
  tail.set(next.tail, last.tail.length);
  return [...blocks.slice(0, -1), { start: last.start, end: next.end, lines: [...last.lines, ...next.lines], tail: next.tail.length < CHECKED ? tail.slice(-CHECKED) : next.tail }];
}

/** Where the first line begins in bytes that may begin in the middle of one; if there is none, where the first letter does. */
function firstLine(bytes: Uint8Array): number {
  let from = bytes.indexOf(NEW_LINE) + 1;
  if (from === 0) while (((bytes[from] ?? 0) & 0xc0) === 0x80) from += 1;
  return from;
}

/** Where bytes may be cut so that no letter is. */
function between(bytes: Uint8Array): number {
  let to = bytes.length;
  while (to > 1 && ((bytes[to - 1] ?? 0) & 0xc0) === 0x80) to -= 1;
  return (bytes[to - 1] ?? 0) >= 0xc0 && to > 1 ? to - 1 : bytes.length;
}

function decoded(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** What the file has become. A file that is another one by now is read from its end. */
async function grown(read: Read, held: Stretch): Promise<Stretch> {
  const tail = held.blocks.at(-1)?.tail ?? new Uint8Array();
  const from = held.end - tail.length;
  const isAtEnd = atEnd(held);
  const part = await read(from, isAtEnd ? held.end + held.restBytes + PART : held.end, held.tag);
  if (part === null) return held;
  if (part.bytes.length < tail.length || tail.some((byte, place) => byte !== part.bytes[place])) return openEnd(read, held.generation + 1);
  if (!isAtEnd) return { ...held, size: part.size, tag: part.tag };
  const next = withoutFirst(added(held, { ...part, bytes: part.bytes.subarray(tail.length), start: held.end }));
  return atEnd(next) ? next : grown(read, { ...next, tag: '', size: next.end });
}

async function withEarlier(read: Read, held: Stretch): Promise<Stretch> {
  if (held.start === 0) return held;
  const from = Math.max(0, held.start - PART);
  const part = await read(from, held.start, '');
  if (part === null || from + part.bytes.length !== held.start) return openEnd(read, held.generation + 1);
  const cut = from === 0 ? 0 : firstLine(part.bytes);
  const block = blockOf(part.bytes.subarray(cut), from + cut);
  const number = from + cut === 0 ? 1 : held.number === null ? null : held.number - block.lines.length;
  return withoutLast({ ...held, blocks: [block, ...held.blocks], start: block.start, number });
}

async function withLater(read: Read, held: Stretch): Promise<Stretch> {
  if (atEnd(held)) return held;
  const part = await read(held.end, held.end + PART, '');
  if (part === null || part.bytes.length === 0) return openEnd(read, held.generation + 1);
  return withoutFirst(added(held, part));
}

function isMuch(blocks: readonly Block[]): boolean {
  const bytes = (blocks.at(-1)?.end ?? 0) - (blocks[0]?.start ?? 0);
  return blocks.length > 1 && (bytes > KEPT_BYTES || blocks.reduce((sum, { lines }) => sum + lines.length, 0) > KEPT_LINES);
}

function withoutFirst(held: Stretch): Stretch {
  let { blocks, number } = held;
  while (isMuch(blocks)) {
    number = number === null ? null : number + (blocks[0]?.lines.length ?? 0);
    blocks = blocks.slice(1);
  }
  return { ...held, blocks, number, start: blocks[0]?.start ?? held.start };
}

function withoutLast(held: Stretch): Stretch {
  let { blocks } = held;
  while (isMuch(blocks)) blocks = blocks.slice(0, -1);
  return blocks === held.blocks ? held : { ...held, blocks, end: blocks.at(-1)?.end ?? held.end, rest: '', restBytes: 0 };
}
