/** Short messages at the foot of the page, some with a way back. */
import { useEffect, useSyncExternalStore } from 'react';
import { Icon } from './icon';

interface Toast {
  id: number;
  text: string;
  bad: boolean;
  undo?: (() => void) | undefined;
}

let toasts: readonly Toast[] = [];
let next = 1;
const watchers = new Set<() => void>();

function set(now: readonly Toast[]): void {
  toasts = now;
  for (const watcher of watchers) watcher();
}

export function toast(text: string, { bad = false, undo }: { bad?: boolean; undo?: () => void } = {}): void {
  set([...toasts.slice(-2), { id: next++, text, bad, undo }]);
}

function dismiss(id: number): void {
  set(toasts.filter((item) => item.id !== id));
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => toasts,
  );
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((item) => (
        <ToastLine key={item.id} item={item} />
      ))}
    </div>
  );
}

function ToastLine({ item }: { item: Toast }) {
  useEffect(() => {
    const timer = setTimeout(() => dismiss(item.id), item.undo === undefined && !item.bad ? 4000 : 10_000);
    return () => clearTimeout(timer);
  }, [item]);
  return (
    <div className="toast" data-bad={item.bad || undefined}>
      <Icon name={item.bad ? 'alert' : 'check'} size={15} />
      <span className="grow">{item.text}</span>
      {item.undo !== undefined && (
        <button
          type="button"
          className="button button-quiet"
          onClick={() => {
            item.undo?.();
            dismiss(item.id);
          }}
        >
          Undo
        </button>
      )}
      <button type="button" className="icon-button" aria-label="Dismiss" onClick={() => dismiss(item.id)}>
        <Icon name="close" size={13} />
      </button>
    </div>
  );
}
