import { describe, expect, it } from 'vitest';
import { rowsOf } from './rows';

const LAYOUT = { find: '', closed: new Set<string>(), without: new Set<string>(), columns: 2 };
const KEYS = { loss: 1, auc: 1, 'val/loss': 1, 'system/cpu': 1 };

describe('charts as rows', () => {
  it('come section by section, those of the system last', () => {
    const rows = rowsOf(KEYS, LAYOUT);
    expect(rows.map((row) => (row.kind === 'charts' ? row.keys : row.kind === 'title' ? row.name : ''))).toEqual(['', ['auc', 'loss'], 'val', ['val/loss'], 'system', ['system/cpu']]);
  });
  it('have no titles where there is one section, and are as many as columns allow', () => {
    const rows = rowsOf(Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`layer/${index}`, 1])), { ...LAYOUT, columns: 3 });
    expect(rows.length).toBe(1667);
    expect(rows.every((row) => row.kind === 'charts')).toBe(true);
  });
  it('hide what a closed section has, until something is looked for', () => {
    expect(rowsOf(KEYS, { ...LAYOUT, closed: new Set(['val']) }).some((row) => row.kind === 'charts' && row.keys.includes('val/loss'))).toBe(false);
    expect(rowsOf(KEYS, { ...LAYOUT, closed: new Set(['val']), find: 'loss' }).some((row) => row.kind === 'charts' && row.keys.includes('val/loss'))).toBe(true);
  });
  it('leave out what no run has, and say so', () => {
    const rows = rowsOf(KEYS, { ...LAYOUT, without: new Set(['auc']) });
    expect(rows[1]).toEqual({ kind: 'charts', id: ' 0', keys: ['loss'] });
    expect(rows.at(-1)?.kind).toBe('bare');
  });
});
