/** Which runs are shown: one selection for the table, the charts and comparing. */
import { useMemo, useRef } from 'react';
import type { Rows } from './rows';
import { FIRST_SHOWN } from './search';

export interface Selection {
  ids: readonly string[];
  size: number;
  /** Whether somebody chose; else they are the first ten. */
  chosen: boolean;
  has: (id: string) => boolean;
  toggle: (index: number, id: string, range: boolean) => void;
  solo: (index: number, id: string) => void;
  none: () => void;
  reset: () => void;
}

export function useSelection(rows: Rows, show: readonly string[] | undefined, set: (show: string[] | undefined) => void): Selection {
  const anchor = useRef<number | null>(null);
  const first: string[] = [];
  for (let index = 0; show === undefined && index < FIRST_SHOWN; index += 1) {
    const id = rows.row(index)?.run.id;
    if (id !== undefined) first.push(id);
  }
  const ids = (show ?? first).join();
  return useMemo(() => {
    const list = ids === '' ? [] : ids.split(',');
    const held = new Set(list);
    return {
      ids: list,
      size: list.length,
      chosen: show !== undefined,
      has: (id) => held.has(id),
      toggle: (index, id, range) => {
        const next = new Set(held);
        if (range && anchor.current !== null) {
          const [from, to] = [Math.min(anchor.current, index), Math.max(anchor.current, index)];
          for (let at = from; at <= to; at += 1) {
            const found = rows.row(at)?.run.id;
            if (found !== undefined) next.add(found);
          }
        } else if (!next.delete(id)) {
          next.add(id);
        }
        anchor.current = index;
        set([...next]);
      },
      solo: (index, id) => {
        anchor.current = index;
        set(held.size === 1 && held.has(id) ? undefined : [id]);
      },
      none: () => set([]),
      reset: () => set(undefined),
    };
  }, [ids, show, rows, set]);
}
