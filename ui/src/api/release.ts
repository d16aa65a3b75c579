/** Which build of the app the server has: a tab that stays open for days learns that it is older. */

const UNFILLED = '__HEADRACE_RELEASE__';

/** Compares what answers say with what this page was made by. */
export class Release {
  newer = false;
  private readonly watchers = new Set<() => void>();

  constructor(private readonly own: string | null) {}

  /** What an answer says of the build; null from a server that says nothing. */
  hear(said: string | null): void {
    if (this.newer || said === null || this.own === null || this.own === '' || this.own === UNFILLED || said === this.own) return;
    this.newer = true;
    for (const watcher of this.watchers) watcher();
  }

  /** For useSyncExternalStore. */
  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };
}

export const release = new Release(typeof document === 'undefined' ? null : (document.querySelector<HTMLMetaElement>('meta[name="headrace-release"]')?.content ?? null));
