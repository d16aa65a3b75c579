/** How wide a thing is, and whether it is in sight. */
import { useEffect, useRef, useState, type RefObject } from 'react';

export function useSize<T extends Element>(): [RefObject<T | null>, number, number] {
  const ref = useRef<T>(null);
  const [size, setSize] = useState<[number, number]>([0, 0]);
  useEffect(() => {
    const node = ref.current;
    if (node === null) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setSize([Math.floor(entry.contentRect.width), Math.floor(entry.contentRect.height)]);
    });
    observer.observe(node);
    return () => observer.disconnect();
  }, []);
  return [ref, ...size];
}

/** Whether a thing is in sight, or nearly: only what is gets mounted. */
export function useInSight<T extends Element>(margin = '240px'): [RefObject<T | null>, boolean] {
  const ref = useRef<T>(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const node = ref.current;
    if (node === null) return;
    const observer = new IntersectionObserver(([entry]) => setSeen(entry?.isIntersecting === true), { rootMargin: margin });
    observer.observe(node);
    return () => observer.disconnect();
  }, [margin]);
  return [ref, seen];
}
