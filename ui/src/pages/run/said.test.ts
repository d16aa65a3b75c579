import { expect, test } from 'vitest';
import { withoutDiff } from './code';

test.each([
  [{}, /No commit is known/],
  [{ 'headrace.git.dirty': 'false' }, /No commit is known/],
  [{ 'mlflow.source.git.commit': 'abc', 'headrace.git.dirty': 'false' }, /Everything was committed/],
  [{ 'mlflow.source.git.commit': 'abc', 'headrace.git.dirty': 'True' }, /wasn’t committed/],
  [{ 'mlflow.source.git.commit': 'abc' }, /isn’t known/],
])('of a run with the tags %j is said no more than is known', (tags: Record<string, string>, text) => {
  expect(withoutDiff(tags)).toMatch(text);
});
