import { expect, it } from 'vitest';
import { addressOf, placeOf } from './mlflow-links';

const lead = (fragment: string) => {
  const place = placeOf(fragment);
  return place === null ? null : addressOf(place);
};

it('leads to the run, the experiment and the version that it names', () => {
  expect(lead('#/experiments/1/runs/0f3a')).toBe('/runs/0f3a');
  expect(lead('#/experiments/1')).toBe('/experiments/1');
  expect(lead('#/experiments/1?viewStateShareKey=x')).toBe('/experiments/1');
  expect(lead('#/models/video ranker/versions/12')).toBe('/models/video%20ranker/12');
  expect(lead('#/models/video%20ranker')).toBe('/models/video%20ranker');
  expect(lead('/experiments/1/runs/0f3a/')).toBe('/runs/0f3a');
});

it('leads to the part of the run', () => {
  expect(lead('#/experiments/1/runs/0f3a/artifacts/plots%2Froc.png')).toBe('/runs/0f3a?tab=artifacts&file=plots%2Froc.png');
  expect(lead('#/experiments/1/runs/0f3a/artifacts')).toBe('/runs/0f3a?tab=artifacts');
  expect(lead('#/experiments/1/runs/0f3a/model-metrics')).toBe('/runs/0f3a?tab=charts');
  expect(lead('#/experiments/1/runs/0f3a/traces')).toBe('/runs/0f3a');
});

it('leads to a comparison', () => {
  expect(lead('#/compare-runs?runs=%5B%22a%22,%22b%22%5D&experiments=%5B%221%22%5D')).toBe('/compare?runs=a%2Cb');
  expect(lead('#/compare-runs?runs=broken')).toBeNull();
});

it('leaves other fragments alone, and stays in the app', () => {
  expect(lead('#main')).toBeNull();
  expect(lead('')).toBeNull();
  expect(lead('#//elsewhere.example/x')).toBeNull();
  expect(lead('#/experiments/..%2F..%2Fapi/runs/%2F%2Fx')).toBe('/runs/%2F%2Fx');
});
