import { describe, expect, it } from 'vitest';
import { faultIn, narrowed, tokenEnd, tokens } from './grammar';

describe('tokens', () => {
  it('keep their places', () => {
    expect(tokens("metrics.auc >= 0.8 and tags.`a b` = 'x y'").map((token) => [token.kind, token.text])).toEqual([
      ['key', 'metrics.auc'],
      ['operator', '>='],
      ['number', '0.8'],
      ['word', 'and'],
      ['key', 'tags.`a b`'],
      ['operator', '='],
      ['text', "'x y'"],
    ]);
  });
});

describe('a completion', () => {
  const keys = { text: 'a = 1 AND me', at: 12, start: 10, end: 12, suggestions: [{ text: 'metrics.auc', hint: '' }, { text: 'params.metre', hint: '' }, { text: 'metrics.`odd name`', hint: '' }] };
  it('is narrowed by what is typed on', () => {
    expect(narrowed(keys, 'a = 1 AND metr', 14)).toMatchObject({ start: 10, end: 14 });
    expect(narrowed(keys, 'a = 1 AND metrics.o', 19)?.suggestions.map((item) => item.text)).toEqual(['metrics.`odd name`']);
  });
  it('ends where nothing fits, all is typed, or something else changed', () => {
    for (const text of ['a = 1 AND mex', 'a = 1 AND metrics.auc ', 'b = 1 AND met']) expect(narrowed(keys, text, text.length)).toBeNull();
    expect(narrowed({ ...keys, suggestions: keys.suggestions.slice(0, 1) }, 'a = 1 AND metrics.auc', 21)).toBeNull();
  });
  it('replaces the whole token that the caret is in', () => {
    expect(tokenEnd('metrics.auc > 1', 0, 9)).toBe(11);
    expect(tokenEnd('metrics.auc > 1', 11, 11)).toBe(11);
  });
});

describe('a fault', () => {
  it('is where the server marks it', () => {
    const text = 'metrics.auc >> 1';
    const message = `Expected numeric value\n  ${text}\n  ${' '.repeat(13)}^`;
    expect(faultIn(text, message)).toEqual({ start: 13, end: 14, message: 'Expected numeric value' });
  });
  it('is found in a text that the message shows cut', () => {
    const text = `${"params.a = 'x' AND ".repeat(8)}oops`;
    const start = text.indexOf('oops');
    const shown = text.slice(start - 60, start + 60);
    expect(faultIn(text, `no\n  ${shown}\n  ${' '.repeat(60)}^^^^`)).toMatchObject({ start, end: start + 4 });
  });
  it('is none in a message without marks', () => {
    expect(faultIn('a', 'the server is busy')).toBeNull();
  });
});
