/** Says at each side of a map how many things are out of sight there, and leads to them. */
import { useReactFlow, useViewport } from '@xyflow/react';
import { plural } from '../ui/format';
import { Icon } from '../ui/icon';
import { beyond, SIDES, type Box, type Side } from './place';

/** Towards a side: its icon, where it is in words, and where the map goes then. */
const TOWARDS = {
  left: ['left', 'to the left', 1, 0],
  right: ['right', 'to the right', -1, 0],
  top: ['up', 'above', 0, 1],
  bottom: ['down', 'below', 0, -1],
} as const satisfies Record<Side, unknown>;
/** Of the place, at a press. */
const SHARE = 0.7;

export function Beyond({ boxes, width, height }: { boxes: readonly Box[]; width: number; height: number }) {
  const view = useViewport();
  const { setViewport } = useReactFlow();
  const found = beyond(boxes, view, { width, height });
  return SIDES.filter((side) => found[side] > 0).map((side) => {
    const [icon, where, across, down] = TOWARDS[side];
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const go = () => void setViewport({ ...view, x: view.x + across * width * SHARE, y: view.y + down * height * SHARE }, { duration: still ? 0 : 200 });
    return (
      <button key={side} type="button" className="lineage-beyond" data-side={side} aria-label={`Show ${plural(found[side], 'more thing', 'more things')} ${where}`} onClick={go}>
        {found[side]} more
        <Icon name={icon} size={12} />
      </button>
    );
  });
}
