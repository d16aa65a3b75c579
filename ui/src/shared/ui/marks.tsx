/** Small marks: states, chips, times, names. */
import { useEffect, useState, type ReactNode } from 'react';
import { age, clock, duration, whole } from './format';
import { Tip } from './overlays';

export type Tone = 'ok' | 'warn' | 'bad' | 'live' | 'quiet' | 'accent';

const STATES: Record<string, [Tone, string]> = {
  RUNNING: ['live', 'Running'],
  SCHEDULED: ['quiet', 'Scheduled'],
  FINISHED: ['ok', 'Finished'],
  FAILED: ['bad', 'Failed'],
  KILLED: ['warn', 'Killed'],
  LOST: ['warn', 'Lost'],
};

/** The state of a run: a mark whose shape differs too, and its name. */
export function State({ state, bare = false }: { state: string; bare?: boolean }) {
  const [tone, text] = STATES[state] ?? ['quiet', state];
  return (
    <span className="state" data-tone={tone} title={bare ? text : undefined}>
      <svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true">
        {tone === 'ok' && <circle cx="5" cy="5" r="4" fill="currentColor" />}
        {tone === 'bad' && <path d="M5 .6 9.4 5 5 9.4.6 5z" fill="currentColor" />}
        {tone === 'warn' && <rect x="1.3" y="1.3" width="7.4" height="7.4" rx="1" fill="currentColor" />}
        {tone === 'quiet' && <circle cx="5" cy="5" r="3.3" fill="none" stroke="currentColor" strokeWidth="1.4" />}
        {tone === 'live' && (
          <>
            <circle className="pulse" cx="5" cy="5" r="4" fill="currentColor" opacity=".3" />
            <circle cx="5" cy="5" r="2.5" fill="currentColor" />
          </>
        )}
      </svg>
      {bare ? <span className="unseen">{text}</span> : text}
    </span>
  );
}

export function Chip({ tone = 'quiet', children, title }: { tone?: Tone; children: ReactNode; title?: string }) {
  return (
    <span className="chip" data-tone={tone} title={title}>
      {children}
    </span>
  );
}

/** How long ago, and exactly when on hovering. */
export function Ago({ time }: { time: string | number | null | undefined }) {
  if (time === null || time === undefined) return <span className="quiet">–</span>;
  const at = typeof time === 'number' ? time : Date.parse(time);
  return (
    <Tip text={clock(at)}>
      <time dateTime={new Date(at).toISOString()}>{age(at)}</time>
    </Tip>
  );
}

/** How long a run took, or has been going on; both are read anew with whatever is around them. */
export function Lasted({ run }: { run: { status: string; start: string; end: string | null } }) {
  const now = useNow(run.status === 'RUNNING' && run.end === null);
  if (run.end === null && run.status !== 'RUNNING') return <span className="quiet">–</span>;
  return <>{duration(((run.end === null ? now : Date.parse(run.end)) - Date.parse(run.start)) / 1000)}</>;
}

/** Now, every second while it matters. */
export function useNow(ticking: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!ticking) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [ticking]);
  return now;
}

export function Count({ value }: { value: number }) {
  return <span className="count">{whole(value)}</span>;
}

/** A list of facts: name to value. */
export function Facts({ items }: { items: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className="facts">
      {items.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
