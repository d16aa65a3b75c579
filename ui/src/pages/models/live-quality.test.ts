import { describe, expect, it } from 'vitest';
import type { Prediction } from '@/api/models';
import { qualityOf } from './live-quality';

const made = (prediction: unknown, outcome: unknown, latency_ms = 1) => ({ prediction, outcome, latency_ms }) as Prediction;

describe('qualityOf', () => {
  it('tells the share that came true where there are classes', () => {
    expect(qualityOf([made(1, true), made(0, 1), made('a', 'a'), made(1, null)])).toMatchObject({ rows: 4, known: 3, right: 2 / 3, error: null });
  });
  it('tells the distance where there are figures', () => {
    expect(qualityOf([made(0.5, 1), made(2.5, 2), made(0.1, null)])).toMatchObject({ known: 2, right: null, error: 0.5 });
  });
  it('says nothing of what is not known', () => {
    expect(qualityOf([])).toEqual({ rows: 0, known: 0, right: null, error: null, median: null, slowest: null });
    expect(qualityOf([made([1, 2], [1, 2], 9)])).toMatchObject({ known: 1, right: null, error: null, median: 9 });
  });
});
