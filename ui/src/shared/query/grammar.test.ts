import { describe, expect, it } from 'vitest';
import { complete, faultIn, tokens } from './grammar';

const vocabulary = { metrics: ['auc', 'val/loss', 'odd name'], params: ['depth'], tags: ['team'], values: () => ['4', '6'] };
const offered = (text: string, at = text.length) => complete(text, at, vocabulary).suggestions.map((item) => item.text);

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

describe('completion', () => {
  it('offers keys at the start and after AND', () => {
    expect(offered('')).toContain('metrics.auc');
    expect(offered('metrics.auc > 1 AND par')).toEqual(['params.depth']);
  });
  it('quotes keys that the grammar wants quoted', () => {
    expect(offered('metrics.odd')).toEqual(['metrics.`odd name`']);
  });
  it('offers the operators that a key takes', () => {
    expect(offered('metrics.auc ')).toEqual(['>', '>=', '<', '<=', '=', '!=']);
    expect(offered('params.depth ')).toContain('LIKE');
  });
  it('offers values, then AND', () => {
    expect(offered('params.depth = ')).toEqual(["'4'", "'6'"]);
    expect(offered('status = ')).toContain("'FAILED'");
    expect(offered("params.depth = '4' ")).toEqual(['AND']);
  });
  it('replaces the token under the caret alone', () => {
    expect(complete('metrics.au > 1', 10, vocabulary)).toMatchObject({ start: 0, end: 10 });
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
