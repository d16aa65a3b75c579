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

/** How far the map is moved and by how much it is drawn larger, in pixels of the place. */
export function placed(all: Box, root: Box, place: { width: number; height: number }): { x: number; y: number; zoom: number } {
  const [width, height] = [Math.max(1, place.width - 2 * MARGIN), Math.max(1, place.height - 2 * MARGIN)];
  const zoom = Math.max(READABLE, Math.min(1, width / all.width, height / all.height));
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
