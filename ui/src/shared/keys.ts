/** Keys: one listener a component; keys typed into a field are the field's. */
import { useEffect, useRef } from 'react';

export type Keys = Record<string, (event: KeyboardEvent) => void>;

function named(event: KeyboardEvent): string {
  const mod = event.ctrlKey || event.metaKey ? 'mod+' : '';
  return mod + (event.key.length === 1 && mod !== '' ? event.key.toLowerCase() : event.key);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches('input, textarea, select'));
}

/** Runs what belongs to a pressed key: `j`, `?`, `mod+k`, `Escape`. */
export function useKeys(keys: Keys): void {
  const held = useRef(keys);
  useEffect(() => {
    held.current = keys;
  });
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const name = named(event);
      if (event.defaultPrevented || event.altKey || (isTyping(event.target) && !name.startsWith('mod+'))) return;
      if (document.querySelector('[role="dialog"], [role="menu"]') !== null && name !== 'mod+k') return;
      const run = held.current[name];
      if (run === undefined) return;
      event.preventDefault();
      run(event);
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, []);
}
