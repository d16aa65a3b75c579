import { describe, expect, it } from 'vitest';
import { atEnd, lineAt, lineCount, LogFile, moved, seen, type Stretch } from './log-file';

/** A file that is read by ranges, as the server gives them, and how much was. */
class File {
  bytes = new Uint8Array();
  given = 0;
  private version = 0;

  set(text: string): void {
    this.bytes = new TextEncoder().encode(text);
    this.version += 1;
  }

  read = (start: number, end: number, tag: string) => {
    const now = `"${this.version}"`;
    if (tag === now) return Promise.resolve(null);
    const [size, from] = [this.bytes.length, start < 0 ? Math.max(0, this.bytes.length + start) : start];
    if (from >= size) return Promise.resolve({ bytes: new Uint8Array(), start: 0, size: 0, tag: '' });
    const bytes = this.bytes.slice(from, start < 0 ? size : Math.min(end, size));
    this.given += bytes.length;
    return Promise.resolve({ bytes, start: from, size, tag: now });
  };
}

const all = (stretch: Stretch) => Array.from({ length: lineCount(stretch) }, (_, index) => lineAt(stretch, index));
const numbered = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `line ${from + index} of a log that is long enough to be read in parts\n`).join('');
const lines = (text: string) => text.split('\n').slice(0, -1);

describe('a log', () => {
  it('has as many lines as were written', async () => {
    for (const [text, count] of [['', 0], ['a', 1], ['a\n', 1], ['a\n\n', 2], ['\n', 1]] as const) {
      const file = new File();
      file.set(text);
      expect(lineCount(await new LogFile(file.read).follow()), JSON.stringify(text)).toBe(count);
    }
  });

  it('grows by what is new, and reads no more than that', async () => {
    const file = new File();
    const log = new LogFile(file.read);
    file.set(numbered(0, 10_000));
    await log.follow();
    let text = numbered(0, 10_000);
    for (const more of ['half a li', 'ne\nwhole\n', 'é', '\n']) {
      file.given = 0;
      text += more;
      file.set(text);
      const stretch = await log.follow();
      expect(all(stretch)).toEqual(text.endsWith('\n') ? lines(text) : text.split('\n'));
      expect(file.given).toBeLessThan(20_000);
      file.given = 0;
      expect(await log.follow()).toBe(stretch);
      expect(file.given).toBe(0);
    }
  });

  it('is read anew when it was replaced or cut, and nothing of what it was stays', async () => {
    const file = new File();
    const log = new LogFile(file.read);
    for (const text of [numbered(0, 100), numbered(1, 300), numbered(1, 3), '', 'other\n', numbered(5, 900)]) {
      file.set(text);
      expect(all(await log.follow())).toEqual(lines(text));
    }
  });

  it('of many megabytes is there from its end, and whole for whoever goes through it, a few at a time', async () => {
    const file = new File();
    const text = numbered(0, 400_000);
    file.set(text);
    const log = new LogFile(file.read);
    let stretch = await log.follow();
    expect([atEnd(stretch), stretch.number, file.given]).toEqual([true, null, 1 << 20]);
    const read = new Set(all(stretch));
    while (stretch.start > 0) {
      const before = stretch;
      stretch = await log.earlier();
      const first = moved(before, 0, stretch);
      expect(lineAt(stretch, first ?? -1)).toBe(lineAt(before, 0));
      all(stretch).forEach((line) => read.add(line));
      expect(stretch.end - stretch.start).toBeLessThanOrEqual(8 << 20);
    }
    expect(read.size).toBe(400_000);
    expect([stretch.number, lineAt(stretch, 0), atEnd(stretch)]).toEqual([1, lines(text)[0], false]);
    file.set(`${text}more\n`);
    stretch = await log.follow(); // it tells that there is more, and stays where it is
    expect([stretch.start, stretch.size]).toEqual([0, file.bytes.length]);
    while (!atEnd(stretch)) stretch = await log.later();
    expect([lineAt(stretch, lineCount(stretch) - 1), (stretch.number ?? 0) + lineCount(stretch) - 1]).toEqual(['more', 400_001]);
  });

  it('that grows by more than is read at once is followed to its end', async () => {
    const file = new File();
    const log = new LogFile(file.read);
    file.set(numbered(0, 10));
    await log.follow();
    file.set(numbered(0, 100_000));
    const stretch = await log.follow();
    expect([atEnd(stretch), all(stretch)]).toEqual([true, lines(numbered(0, 100_000))]);
  });

  it('is opened at any line, with its number and what is before it', async () => {
    const file = new File();
    file.set(numbered(0, 100_000));
    const start = new TextEncoder().encode(numbered(0, 50_000)).length;
    const stretch = await new LogFile(file.read).at(start, 50_001);
    const place = 50_001 - (stretch.number ?? 0);
    expect([lineAt(stretch, place), lineAt(stretch, place - 1)]).toEqual(lines(numbered(49_999, 50_001)).reverse());
  });

  it('without line ends is cut between letters', async () => {
    const file = new File();
    file.set(`x${'é'.repeat(3 << 20)}`);
    const log = new LogFile(file.read);
    let stretch = await log.follow();
    while (stretch.start > 0) stretch = await log.earlier();
    expect(all(stretch).join('')).not.toContain('\ufffd');
  });
});

it('a line is what a terminal shows of it', () => {
  expect([seen('10%\r50%\r100%\r'), seen('\u001b[1;31merror\u001b[0m: no')]).toEqual(['100%', 'error: no']);
});
