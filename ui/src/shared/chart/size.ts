/** How wide and how high a thing is. */
import { useEffect, useRef, useState, type RefObject } from 'react';

type Told = (box: DOMRectReadOnly) => void;

const watched = new Map<Element, Told>();
/** One for all: a page has many charts. */
let observer: ResizeObserver | null = null;

function watch(node: Element, tell: Told): () => void {
  observer ??= new ResizeObserver((entries) => {
    for (const entry of entries) watched.get(entry.target)?.(entry.contentRect);
  });
  watched.set(node, tell);
  observer.observe(node);
  return () => {
    watched.delete(node);
    observer?.unobserve(node);
  };
}

export function useSize<T extends Element>(matters = true): [RefObject<T | null>, number, number] {
  const ref = useRef<T>(null);
  const [size, setSize] = useState<[number, number]>([0, 0]);
  useEffect(() => {
    const node = ref.current;
    return node === null || !matters ? undefined : watch(node, ({ width, height }) => setSize([Math.floor(width), Math.floor(height)]));
  }, [matters]);
  return [ref, ...size];
}
