import { expect, it } from 'vitest';
import type { Model } from '@/api/models';
import { proposed, registeredOf } from './registered';

const model = (name: string, versions: [version: number, logged: string, run: string][]) =>
  ({ name, versions: versions.map(([version, model_id, run_id]) => ({ version, model_id, run_id })) }) as unknown as Model;

const models = [model('other', [[1, 'm-9', 'run-9']]), model('ranker', [[2, 'm-1', 'run-1'], [1, 'm-0', 'run-0']])];

it('finds the versions that a logged model is', () => {
  expect(registeredOf(models, 'm-1').map(({ model: name, version }) => `${name}/${version.version}`)).toEqual(['ranker/2']);
  expect(registeredOf(models, 'm-5')).toEqual([]);
});

it('proposes the model where it is, then that of its run, then one of its own name', () => {
  expect(proposed(models, 'm-1', 'run-1', 'challenger')).toBe('ranker');
  expect(proposed(models, 'm-2', 'run-1', 'challenger')).toBe('ranker');
  expect(proposed(models, 'm-5', 'run-5', 'challenger')).toBe('challenger');
});
