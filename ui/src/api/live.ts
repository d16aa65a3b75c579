/** One stream of events a page. What it says goes to whoever subscribed; its state is what the pill shows. */

export type LiveState = 'connecting' | 'live' | 'paused' | 'reconnecting';

export interface LiveEvent {
  /** Ids of runs that changed; null after a gap: anything may have changed. */
  runs: string[] | null;
}

type Listener = (event: LiveEvent) => void;

const SILENCE = 40_000;
const COALESCE = 500;

/** Keeps a stream open while the page is in sight and not paused by hand; gathers what it says to at most two events a second. */
export class Live {
  state: LiveState = 'connecting';
  running = 0;
  private readonly listeners = new Set<Listener>();
  private readonly watchers = new Set<() => void>();
  private source: EventSource | null = null;
  private byHand = false;
  private missed = false;
  private gathered: Set<string> | null | undefined;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private silence: ReturnType<typeof setTimeout> | null = null;
  private retry: ReturnType<typeof setTimeout> | null = null;
  private attempts = 0;

  constructor(private readonly open: () => EventSource = () => new EventSource('/api/v1/live')) {}

  start(): void {
    document.addEventListener('visibilitychange', this.look);
    window.addEventListener('pagehide', this.look);
    this.look();
  }

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
      if (this.source !== null || this.state === 'reconnecting') this.missed = true;
      this.close();
      this.become('paused');
    } else if (this.source === null) {
      this.connect();
    }
  };

  private connect(): void {
    this.become(this.state === 'connecting' || this.state === 'paused' ? 'connecting' : 'reconnecting');
    const source = this.open();
    this.source = source;
    source.addEventListener('hello', (event) => {
      const said = read(event);
      this.attempts = 0;
      this.hear(said.running);
      this.become('live');
      if (this.missed || said.missed === true) this.gather(null);
      this.missed = false;
    });
    source.addEventListener('runs', (event) => {
      const said = read(event);
      this.hear(said.running);
      this.gather(said.changed ?? []);
    });
    source.addEventListener('catalog', (event) => {
      this.hear(read(event).running);
      this.gather([]);
    });
    source.addEventListener('beat', () => this.hear(this.running));
    source.addEventListener('error', () => this.lose());
    this.hear(this.running);
  }

  private lose(): void {
    this.close();
    this.missed = true;
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

  private gather(runs: string[] | null): void {
    if (runs === null) this.gathered = null;
    else if (this.gathered !== null) this.gathered = new Set([...(this.gathered ?? []), ...runs]);
    this.timer ??= setTimeout(() => {
      const gathered = this.gathered;
      this.timer = null;
      this.gathered = undefined;
      const event = { runs: gathered === null ? null : [...(gathered ?? [])] };
      for (const listener of this.listeners) listener(event);
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

function read(event: Event): { running?: number; changed?: string[]; missed?: boolean } {
  return JSON.parse((event as MessageEvent<string>).data) as { running?: number; changed?: string[]; missed?: boolean };
}

export const live = new Live();
