import { describe, expect, it, vi } from 'vitest';
import { Release } from './release';

describe('Release', () => {
  it('tells once that the server has another build', () => {
    const release = new Release('1.0+aa');
    const watcher = vi.fn();
    release.watch(watcher);
    release.hear('1.0+aa');
    release.hear(null);
    expect(release.newer).toBe(false);
    release.hear('1.0+bb');
    release.hear('1.0+cc');
    expect([release.newer, watcher.mock.calls.length]).toEqual([true, 1]);
  });

  it('says nothing in a page that no server filled in', () => {
    for (const own of [null, '', '__HEADRACE_RELEASE__']) {
      const release = new Release(own);
      release.hear('1.0+bb');
      expect(release.newer).toBe(false);
    }
  });
});
