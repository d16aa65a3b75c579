import { describe, expect, it } from 'vitest';
import { partOf, urnOf, wholeOf } from './names';

describe('a part', () => {
  it('knows its whole and its own name', () => {
    expect([wholeOf('source:ratings.stars'), partOf('source:ratings.stars')]).toEqual(['source:ratings', 'stars']);
    expect([wholeOf('feature:user_taste:2.likes_30d'), partOf('feature:user_taste:2.likes_30d')]).toEqual(['group:user_taste:2', 'likes_30d']);
  });
  it('is none if it is whole', () => {
    expect(['source:ratings', 'group:taste:1', 'view:a:1', 'models:/a.b/3', 'run:1.5'].map(wholeOf)).toEqual([null, null, null, null, null]);
  });
});

describe('a definition', () => {
  it('is named as the lineage names it: a group by what it computes', () => {
    const named = { name: 'taste', id: 'taste:4', basis: 'taste:2' };
    expect(['source', 'group', 'view'].map((kind) => urnOf({ kind, ...named }))).toEqual(['source:taste', 'group:taste:2', 'view:taste:4']);
  });
});
