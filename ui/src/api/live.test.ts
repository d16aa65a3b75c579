import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Live, type LiveEvent } from './live';

class Stream extends EventTarget {
  closed = false;
  constructor(readonly url: string) {
    super();
  }
  close(): void {
    this.closed = true;
  }
  say(kind: string, data: unknown, id = ''): void {
    this.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify(data), lastEventId: id }));
  }
}

describe('the stream of events', () => {
  const streams: Stream[] = [];
  const events: LiveEvent[] = [];
  let live: Live;
  const newest = () => streams.at(-1) as Stream;
  beforeEach(() => {
    vi.useFakeTimers();
    streams.length = 0;
    events.length = 0;
    live = new Live((url) => {
      streams.push(new Stream(url));
      return newest() as unknown as EventSource;
    });
    live.subscribe((event) => events.push(event));
    live.start();
  });
  afterEach(() => vi.useRealTimers());

  it('tells at most two events a second, with the metrics that have new points', () => {
    newest().say('hello', { missed: false, running: 1 }, '1.1');
    expect(live.state).toBe('live');
    newest().say('runs', { changed: ['a'], created: [], ended: [], points: { a: ['loss'] }, running: 1 }, '1.2');
    newest().say('runs', { changed: ['a', 'b'], created: [], ended: [], points: { a: ['auc'], b: [] }, running: 1 }, '1.3');
    expect(events).toEqual([]);
    vi.advanceTimersByTime(500);
    expect(events).toEqual([{ runs: new Map([['a', new Set(['loss', 'auc'])], ['b', null]]), catalog: false, created: false }]);
  });

  it('goes on after the last event when it comes back, and says meanwhile that it is gone', () => {
    newest().say('hello', { missed: false, running: 0 }, '7.40');
    newest().say('beat', {}, '7.41');
    newest().dispatchEvent(new Event('error'));
    expect(live.state).toBe('reconnecting');
    vi.advanceTimersByTime(1000);
    expect(streams.length).toBe(2);
    expect(newest().url).toBe('/api/v1/live?after=7.41');
    newest().say('hello', { missed: false, running: 0 }, '7.41');
    vi.advanceTimersByTime(1000);
    expect(live.state).toBe('live');
    expect(events).toEqual([]);
  });

  it('has everything read again when events were missed', () => {
    newest().say('hello', { missed: true, running: 0 }, '9.1');
    vi.advanceTimersByTime(500);
    expect(events).toEqual([{ runs: null, catalog: false, created: false }]);
  });

  it('takes a stream that is silent for long as dead, and hears nothing from an old one', () => {
    const first = newest();
    first.say('hello', { missed: false, running: 0 }, '1.1');
    vi.advanceTimersByTime(41_000);
    expect(first.closed).toBe(true);
    expect(live.state).toBe('reconnecting');
    first.say('runs', { changed: ['a'], points: { a: ['loss'] } }, '1.2');
    vi.advanceTimersByTime(600);
    expect(events).toEqual([]);
  });

  it('beats while there is nothing to say, of its own stream alone', () => {
    const beats = vi.fn();
    live.onBeat = beats;
    const first = newest();
    first.say('hello', { missed: false, running: 0 }, '1.1');
    first.say('beat', {}, '1.1');
    expect(beats).toHaveBeenCalledTimes(1);
    first.dispatchEvent(new Event('error'));
    first.say('beat', {}, '1.1');
    expect(beats).toHaveBeenCalledTimes(1);
    expect(events).toEqual([]);
  });

  it('is silent while it is paused by hand', () => {
    newest().say('hello', { missed: false, running: 0 }, '1.1');
    live.toggle();
    expect([live.state, newest().closed]).toEqual(['paused', true]);
    live.toggle();
    expect([live.state, streams.length]).toEqual(['connecting', 2]);
  });
});
