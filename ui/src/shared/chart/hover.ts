/** Which run the pointer is on, shared by the table and all charts of a page. */
import { useSyncExternalStore } from 'react';

let hovered: string | null = null;
const watchers = new Set<() => void>();

export function hover(run: string | null): void {
  if (run === hovered) return;
  hovered = run;
  for (const watcher of watchers) watcher();
}

export function hoveredRun(): string | null {
  return hovered;
}

export function watchHover(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function useHovered(): string | null {
  return useSyncExternalStore(watchHover, hoveredRun);
}

export function useIsHovered(run: string): boolean {
  return useSyncExternalStore(watchHover, () => hovered === run);
}
