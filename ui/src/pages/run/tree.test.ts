import { describe, expect, it } from 'vitest';
import { treeOf, withNames } from './tree';

it('params are found by name and by value', () => {
  const params = { 'model.Depth': '8', rate: '0.1', optimizer: 'deep-adam' };
  expect(withNames(params, 'dep')).toEqual({ 'model.Depth': '8' });
  expect(Object.keys(withNames(params, 'DEE'))).toEqual(['optimizer']);
  expect(withNames(params, '')).toEqual(params);
});

describe('params as a tree', () => {
  it('go below what their keys name', () => {
    const tree = treeOf({ 'data.folds': '5', 'data.seed': '1', depth: '8' });
    expect(tree.map((branch) => branch.name)).toEqual(['data', 'depth']);
    expect(tree[0]?.children.map((leaf) => [leaf.name, leaf.value])).toEqual([['folds', '5'], ['seed', '1']]);
  });
  it('keep a lone leaf on one line, and odd keys whole', () => {
    expect(treeOf({ 'a.b.c': '1' }).map((branch) => [branch.name, branch.value])).toEqual([['a.b.c', '1']]);
    expect(treeOf({ '..odd': '1' }).map((branch) => branch.name)).toEqual(['..odd']);
  });
  it('lose no value when a key is a leaf and a branch', () => {
    const tree = treeOf({ model: 'gbm', 'model.depth': '3', 'model.rate': '1' });
    expect(tree.map((branch) => [branch.name, branch.value, branch.children.length])).toEqual([['model', 'gbm', 0], ['model', '', 2]]);
  });
});
