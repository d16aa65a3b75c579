/** Lines of a log: those in sight exist, whatever its length. */
import { useEffect, useLayoutEffect, useRef, useState, type ReactNode } from 'react';
import type { Schemas } from '@/api/client';
import { whole } from '@/shared/ui/format';
import { atEnd, lineAt, lineCount, moved, seen, type Stretch } from './log-file';

const ROW = 19;
const OVER = 20;
/** So many lines before one comes to the end of what is here, more is read. */
const AHEAD = 60;
/** So many characters of a line are drawn. */
const LONGEST = 5000;

interface LinesProps {
  stretch: Stretch;
  follows: boolean;
  /** The number of a line to bring into sight. */
  shown: number | null;
  onFollow: (on: boolean) => void;
  earlier: () => Promise<unknown>;
  later: () => Promise<unknown>;
}

export function Lines({ stretch, follows, shown, onFollow, earlier, later }: LinesProps) {
  const host = useRef<HTMLDivElement>(null);
  const before = useRef<{ stretch: Stretch; shown: number | null }>(undefined);
  const busy = useRef(false);
  const count = lineCount(stretch);
  useLayoutEffect(() => {
    const [node, past] = [host.current, before.current];
    before.current = { stretch, shown };
    if (node === null) return;
    if (shown !== null && past?.shown !== shown && stretch.number !== null) node.scrollTop = (shown - stretch.number) * ROW - node.clientHeight / 2;
    else if (follows) node.scrollTop = node.scrollHeight;
    else if (past !== undefined && past.stretch !== stretch) {
      const first = Math.floor(node.scrollTop / ROW);
      const place = moved(past.stretch, first, stretch);
      if (place !== first) node.scrollTop = place === null ? node.scrollHeight : node.scrollTop + (place - first) * ROW;
    }
  }, [stretch, follows, shown]);
  const read = (more: () => Promise<unknown>) => {
    if (busy.current) return;
    busy.current = true;
    void more().finally(() => (busy.current = false));
  };
  const scrolled = (node: HTMLDivElement) => {
    const below = node.scrollHeight - node.scrollTop - node.clientHeight;
    const isEnd = below < ROW / 2 && atEnd(stretch);
    if (isEnd !== follows) onFollow(isEnd);
    if (node.scrollTop < AHEAD * ROW && stretch.start > 0) read(earlier);
    else if (below < AHEAD * ROW && !atEnd(stretch)) read(later);
  };
  return (
    <Sight host={host} count={count} onScroll={scrolled} label="Log">
      {(index) => {
        const number = stretch.number === null ? null : stretch.number + index;
        return (
          <div key={`${stretch.generation} ${index}`} style={{ top: index * ROW }} data-shown={(number !== null && number === shown) || undefined}>
            {number !== null && <span>{number}</span>}
            <code>{cut(seen(lineAt(stretch, index)))}</code>
          </div>
        );
      }}
    </Sight>
  );
}

export function Found({ lines, text, onShow }: { lines: readonly Schemas['FileLine'][]; text: string; onShow: (start: number, number: number) => void }) {
  const host = useRef<HTMLDivElement>(null);
  return (
    <Sight host={host} count={lines.length} label="Lines found">
      {(index) => {
        const line = lines[index];
        return (
          line !== undefined && (
            <button type="button" key={line.start} style={{ top: index * ROW }} title="Show it among the lines around it" onClick={() => onShow(line.start, line.number)}>
              <span>{line.number}</span>
              <code>
                <Marked line={line.text} text={text} />
              </code>
            </button>
          )
        );
      }}
    </Sight>
  );
}

/** What scrolls, and of its rows those in sight. */
function Sight({ host, count, onScroll, label, children }: { host: React.RefObject<HTMLDivElement | null>; count: number; onScroll?: (node: HTMLDivElement) => void; label: string; children: (index: number) => ReactNode }) {
  const [{ top, height }, setSight] = useState({ top: 0, height: innerHeight });
  useEffect(() => {
    const node = host.current;
    if (node === null) return;
    const look = () => setSight((now) => (now.top === node.scrollTop && now.height === node.clientHeight ? now : { top: node.scrollTop, height: node.clientHeight }));
    const observer = new ResizeObserver(look);
    observer.observe(node);
    node.addEventListener('scroll', look, { passive: true });
    return () => {
      observer.disconnect();
      node.removeEventListener('scroll', look);
    };
  }, [host]);
  const first = Math.max(0, Math.min(Math.floor(top / ROW), count - 1) - OVER);
  const last = Math.min(count, Math.ceil((top + height) / ROW) + OVER);
  return (
    <div className="logs-lines" role="log" aria-label={label} aria-live="off" tabIndex={0} ref={host} onScroll={(event) => onScroll?.(event.currentTarget)}>
      <div style={{ height: count * ROW }}>{Array.from({ length: Math.max(0, last - first) }, (_, place) => children(first + place))}</div>
    </div>
  );
}

function cut(line: string): string {
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST)} … ${whole(line.length - LONGEST)} more characters`;
}

function Marked({ line, text }: { line: string; text: string }) {
  const at = line.toLowerCase().indexOf(text.toLowerCase());
  if (at < 0) return line;
  return (
    <>
      {line.slice(0, at)}
      <mark>{line.slice(at, at + text.length)}</mark>
      {line.slice(at + text.length)}
    </>
  );
}
