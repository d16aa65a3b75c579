/** How much of the page the table has beside the charts, in percent. It goes with the screen, so the browser keeps it, not the address. */
const KEY = 'headrace.split';

/** What each side keeps at least, in percent. */
export const LEAST = 20;

/** A share that leaves something to both sides, in whole percent. */
export function held(share: number): number {
  return Math.round(Math.min(100 - LEAST, Math.max(LEAST, share)));
}

/** The share that was chosen in this browser; null if none ever was. */
export function keptSplit(): number | null {
  try {
    const kept = Number.parseFloat(localStorage.getItem(KEY) ?? '');
    return Number.isFinite(kept) ? held(kept) : null;
  } catch {
    return null; // storage isn't allowed
  }
}

export function keepSplit(share: number | null): void {
  try {
    if (share === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, String(share));
  } catch {
    // storage is full or isn't allowed: the next visit begins as at first
  }
}
