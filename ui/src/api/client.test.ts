import { describe, expect, it } from 'vitest';
import { wholeLines } from './client';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('a part of a text', () => {
  it('ends with a whole line, and the whole file with its own end', () => {
    expect(wholeLines(bytes('one\ntwo\nth'), { start: 0, size: 100 })).toEqual({ text: 'one\ntwo\n', start: 0, end: 8, size: 100 });
    expect(wholeLines(bytes('one\ntw'), { start: 94, size: 100 })).toEqual({ text: 'one\ntw', start: 94, end: 100, size: 100 });
  });

  it('is cut between two letters where a line is longer', () => {
    const part = wholeLines(bytes('xé').subarray(0, 2), { start: 0, size: 9 });
    expect([part.text, part.end]).toEqual(['x', 1]);
    expect(wholeLines(bytes('plain'), { start: 0, size: 9 }).text).toBe('plain');
  });
});
