/** The theme: what was chosen, and the colours of tokens.css as a canvas takes them. */
import { useSyncExternalStore } from 'react';

export type Theme = 'system' | 'light' | 'dark';

const KEY = 'headrace.theme';
const dark = window.matchMedia('(prefers-color-scheme: dark)');
const watchers = new Set<() => void>();
let resolved = new Map<string, string>();
let version = 0;

function changed(): void {
  resolved = new Map();
  version += 1;
  for (const watcher of watchers) watcher();
}

dark.addEventListener('change', changed);

export function chosenTheme(): Theme {
  const said = document.documentElement.dataset['theme'];
  return said === 'light' || said === 'dark' ? said : 'system';
}

export function chooseTheme(theme: Theme): void {
  if (theme === 'system') {
    delete document.documentElement.dataset['theme'];
    localStorage.removeItem(KEY);
  } else {
    document.documentElement.dataset['theme'] = theme;
    localStorage.setItem(KEY, theme);
  }
  changed();
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** Rises when colours change, so that canvases are drawn anew. */
export function useThemeVersion(): number {
  return useSyncExternalStore(watch, () => version);
}

/** A custom property as a colour that a canvas takes. */
export function colour(property: string): string {
  const known = resolved.get(property);
  if (known !== undefined) return known;
  const probe = document.createElement('span');
  probe.style.color = `var(${property})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  resolved.set(property, found);
  return found;
}

let family = '';

/** The letters of the page, for a canvas. */
export function fontFamily(): string {
  if (family === '') family = getComputedStyle(document.body).fontFamily;
  return family;
}

/** Which of the two themes is shown now. */
export function useTheme(): 'light' | 'dark' {
  return useSyncExternalStore(watch, () => {
    const chosen = chosenTheme();
    return chosen === 'system' ? (dark.matches ? 'dark' : 'light') : chosen;
  });
}
