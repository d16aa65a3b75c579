/** Where a map of things begins to be shown: whole where it can be read so, else near what was asked for. Pure. */

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A zoom at which what is written on a card is still read without an effort. */
export const READABLE = 0.8;
const MARGIN = 24;

export interface Place {
  width: number;
  height: number;
}

/** How far the map is moved and by how much it is drawn larger, in pixels of the place. */
export interface View {
  x: number;
  y: number;
  zoom: number;
}

/** The zoom at which all of a map is in its place, never above 1. */
export function fitting(all: Box, place: Place): number {
  const [width, height] = [Math.max(1, place.width - 2 * MARGIN), Math.max(1, place.height - 2 * MARGIN)];
  return Math.min(1, width / all.width, height / all.height);
}

export function placed(all: Box, root: Box, place: Place): View {
  const zoom = Math.max(READABLE, fitting(all, place));
  return {
    x: shift(all.x * zoom, all.width * zoom, (root.x + root.width / 2) * zoom, place.width),
    y: shift(all.y * zoom, all.height * zoom, (root.y + root.height / 2) * zoom, place.height),
    zoom,
  };
}

/** In the middle if there is room for all of it; else with the focus in the middle, and no more room beside an end than the margin. */
function shift(start: number, length: number, focus: number, room: number): number {
  if (length + 2 * MARGIN <= room) return (room - length) / 2 - start;
  return Math.min(MARGIN - start, Math.max(room - MARGIN - start - length, room / 2 - focus));
}

export const SIDES = ['left', 'right', 'top', 'bottom'] as const;
export type Side = (typeof SIDES)[number];

/** How many things have their middle beyond each side of the place. */
export function beyond(boxes: readonly Box[], { x, y, zoom }: View, place: Place): Record<Side, number> {
  const found = { left: 0, right: 0, top: 0, bottom: 0 };
  for (const box of boxes) {
    const [across, down] = [x + (box.x + box.width / 2) * zoom, y + (box.y + box.height / 2) * zoom];
    if (across < 0) found.left += 1;
    if (across > place.width) found.right += 1;
    if (down < 0) found.top += 1;
    if (down > place.height) found.bottom += 1;
  }
  return found;
}
