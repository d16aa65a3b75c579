/** One stream of events a page. What it says goes to whoever subscribed; its state is what the pill shows. */

export type LiveState = 'connecting' | 'live' | 'paused' | 'reconnecting';

/** The metrics of a run that have new points; null stands for many, none for a change of something else. */
export type NewPoints = ReadonlySet<string> | null;

export interface LiveEvent {
  /** What changed, by id of the run; null after a gap: anything may have changed. */
  runs: ReadonlyMap<string, NewPoints> | null;
  /** Whether experiments, models or definitions changed. */
  catalog: boolean;
  /** Whether the change may have brought something that no table has: a run, a param, a tag. */
  created: boolean;
}

type Listener = (event: LiveEvent) => void;

interface Said {
  running?: number;
  changed?: string[];
  created?: string[];
  ended?: string[];
  points?: Partial<Record<string, string[]>>;
  missed?: boolean;
}

const SILENCE = 40_000;
const COALESCE = 500;
const ADDRESS = '/api/v1/live';

/** Keeps a stream open while the page is in sight and not paused by hand; gathers what it says to at most two events a second.
 * A stream that is opened again goes on after the last event that was seen. */
export class Live {
  state: LiveState = 'connecting';
  running = 0;
  /** Called when the stream is open and there is nothing to say: what nothing tells of is looked after then. */
  onBeat: () => void = () => undefined;
  private readonly listeners = new Set<Listener>();
  private readonly watchers = new Set<() => void>();
  private source: EventSource | null = null;
  private byHand = false;
  private seen = '';
  private gathered: { runs: Map<string, Set<string> | null> | null; catalog: boolean; created: boolean } | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private silence: ReturnType<typeof setTimeout> | null = null;
  private retry: ReturnType<typeof setTimeout> | null = null;
  private attempts = 0;

  constructor(private readonly open: (url: string) => EventSource = (url) => new EventSource(url)) {}

  start(): void {
    document.addEventListener('visibilitychange', this.look);
    window.addEventListener('pagehide', this.look);
    this.look();
  }

  /** Nobody is signed in: nothing is listened to until `start`. */
  stop = (): void => {
    document.removeEventListener('visibilitychange', this.look);
    window.removeEventListener('pagehide', this.look);
    this.close();
    this.seen = ''; // whoever signs in reads everything anew
    this.become('connecting');
  };

  subscribe = (listener: Listener): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** For useSyncExternalStore: called when `state` or `running` changed. */
  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  toggle = (): void => {
    this.byHand = !this.byHand;
    this.look();
  };

  private readonly look = (): void => {
    if (this.byHand || document.visibilityState === 'hidden') {
      this.close();
      this.become('paused');
    } else if (this.source === null) {
      this.connect();
    }
  };

  private connect(): void {
    this.become(this.state === 'connecting' || this.state === 'paused' ? 'connecting' : 'reconnecting');
    const again = this.attempts > 0 && this.seen === '';
    const source = this.open(this.seen === '' ? ADDRESS : `${ADDRESS}?after=${encodeURIComponent(this.seen)}`);
    this.source = source;
    const hears = (kind: string, take: (said: Said) => void) =>
      source.addEventListener(kind, (event) => {
        if (this.source !== source) return;
        const { data, lastEventId } = event as MessageEvent<string>;
        if (lastEventId !== '') this.seen = lastEventId;
        const said = JSON.parse(data) as Said;
        this.hear(said.running);
        take(said);
      });
    hears('hello', (said) => {
      this.attempts = 0;
      this.become('live');
      if (said.missed === true || again) this.gather(null);
    });
    hears('runs', (said) => this.gather(said));
    hears('catalog', () => this.gather({}));
    hears('beat', () => this.onBeat());
    source.addEventListener('error', () => this.source === source && this.lose());
    this.hear(this.running);
  }

  private lose(): void {
    this.close();
    this.become('reconnecting');
    this.attempts += 1;
    this.retry = setTimeout(() => this.look(), Math.min(500 * 2 ** this.attempts, 10_000));
  }

  private close(): void {
    this.source?.close();
    this.source = null;
    for (const timer of [this.silence, this.retry]) if (timer !== null) clearTimeout(timer);
  }

  /** A stream that says nothing for long is dead, whatever the socket believes. */
  private hear(running: number | undefined): void {
    if (this.silence !== null) clearTimeout(this.silence);
    this.silence = setTimeout(() => this.lose(), SILENCE);
    if (running !== undefined && running !== this.running) {
      this.running = running;
      this.tell();
    }
  }

  private gather(said: Said | null): void {
    const held = (this.gathered ??= { runs: new Map<string, Set<string> | null>(), catalog: false, created: false });
    if (said === null) held.runs = null;
    else if (said.changed === undefined) held.catalog = true;
    else {
      for (const run of said.changed) {
        const keys: string[] | undefined = said.points?.[run];
        const before = held.runs?.get(run);
        if (keys === undefined) held.created = true;
        held.runs?.set(run, before === null || keys?.length === 0 ? null : new Set([...(before ?? []), ...(keys ?? [])]));
      }
      if ((said.created?.length ?? 0) > 0) held.created = true;
    }
    this.timer ??= setTimeout(() => {
      const event = this.gathered;
      this.timer = null;
      this.gathered = null;
      if (event !== null) for (const listener of this.listeners) listener(event);
    }, COALESCE);
  }

  private become(state: LiveState): void {
    if (state === this.state) return;
    this.state = state;
    this.tell();
  }

  private tell(): void {
    for (const watcher of this.watchers) watcher();
  }
}

export const live = new Live();
