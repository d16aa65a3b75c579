import { afterEach, describe, expect, it, vi } from 'vitest';
import { begin, taken } from './request';

describe('a request that was begun', () => {
  afterEach(() => vi.unstubAllGlobals());

  const serve = () => vi.stubGlobal('fetch', vi.fn((url: string) => Promise.resolve(new Response(url))));

  it('is answered once, to whoever asks for the same', async () => {
    serve();
    begin('POST', '/search', '{"limit":1}');
    expect(taken('POST', '/search', '{"limit":2}')).toBeUndefined();
    expect(taken('GET', '/search')).toBeUndefined();
    expect(await (await taken('POST', '/search', '{"limit":1}'))?.text()).toBe('/search');
    expect(taken('POST', '/search', '{"limit":1}')).toBeUndefined();
  });

  it('is too old after a while', () => {
    serve();
    begin('GET', '/me');
    vi.spyOn(performance, 'now').mockReturnValue(30_001);
    expect(taken('GET', '/me')).toBeUndefined();
  });

  it('tells who takes it that the server can’t be reached', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('no network')));
    begin('GET', '/me');
    await expect(taken('GET', '/me')).rejects.toThrow('no network');
  });
});
