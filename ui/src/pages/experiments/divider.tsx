/** The line between the table and the charts: pulled by the pointer, moved by the arrow keys, put back by a double click. */
import { useLayoutEffect, useRef, useState, type KeyboardEvent, type PointerEvent } from 'react';
import { held, keepSplit, keptSplit, LEAST } from './split';

const STEP = 2;
const STEPS: Readonly<Record<string, number>> = { ArrowLeft: -STEP, ArrowUp: -STEP, ArrowRight: STEP, ArrowDown: STEP, PageUp: -5 * STEP, PageDown: 5 * STEP, Home: -100, End: 100 };
/** As wide as experiments.css puts the charts below the table. */
const narrow = window.matchMedia('(max-width: 760px)');
/** What the table has at first, beside the charts and above them. */
const firstShare = () => (narrow.matches ? 44 : 46);

/** Stands between the two in the grid of the page, whose `--split` it sets without rendering anything else. */
export function Divider({ controls }: { controls: string }) {
  const ref = useRef<HTMLDivElement>(null);
  const [share, setShare] = useState(keptSplit);
  const [across, setAcross] = useState(narrow.matches);
  const [pulled, setPulled] = useState(false);
  useLayoutEffect(() => {
    const look = () => setAcross(narrow.matches);
    narrow.addEventListener('change', look);
    return () => narrow.removeEventListener('change', look);
  }, []);
  useLayoutEffect(() => {
    const style = ref.current?.parentElement?.style;
    if (share === null) style?.removeProperty('--split');
    else style?.setProperty('--split', `${share}%`);
  }, [share]);
  const now = share ?? firstShare();
  const choose = (next: number | null) => {
    setShare(next);
    keepSplit(next);
  };
  const pull = (event: PointerEvent) => {
    const box = ref.current?.parentElement?.getBoundingClientRect();
    if (!pulled || box === undefined) return;
    setShare(held(100 * (across ? (event.clientY - box.top) / box.height : (event.clientX - box.left) / box.width)));
  };
  const press = (event: KeyboardEvent) => {
    const step = STEPS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    choose(held(now + step));
  };
  const drop = () => {
    setPulled(false);
    keepSplit(share);
  };
  return (
    <div
      ref={ref}
      className="divider"
      role="separator"
      tabIndex={0}
      aria-label="Between the table and the charts"
      aria-orientation={across ? 'horizontal' : 'vertical'}
      aria-controls={controls}
      aria-valuenow={now}
      aria-valuemin={LEAST}
      aria-valuemax={100 - LEAST}
      aria-valuetext={`the table has ${now} %`}
      title="Drag, or use the arrow keys; a double click puts it back"
      data-pulled={pulled || undefined}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        setPulled(true);
      }}
      onPointerMove={pull}
      onLostPointerCapture={drop}
      onDoubleClick={() => choose(null)}
      onKeyDown={press}
    />
  );
}
