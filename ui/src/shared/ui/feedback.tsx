/** What a place says when there is nothing to show yet, nothing at all, or something went wrong. */
import { Link } from '@tanstack/react-router';
import { Component, useEffect, useState, type ErrorInfo, type ReactNode } from 'react';
import { Problem } from '@/api/client';
import { Button } from './controls';
import { Icon, type IconName } from './icon';

/** Shows after 150 ms, so that what comes quickly doesn't flicker. */
export function Skeleton({ lines = 3, label = 'Loading' }: { lines?: number; label?: string }) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 150);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className="skeleton" role="status" aria-label={label} data-late={late || undefined}>
      {Array.from({ length: lines }, (_, index) => (
        <span key={index} style={{ width: `${92 - ((index * 37) % 45)}%` }} />
      ))}
    </div>
  );
}

/** `whole` for one that is all there is to a page: then its title is the page's. */
export function Empty({ icon, title, children, whole = false }: { icon: IconName; title: string; children?: ReactNode; whole?: boolean }) {
  const Heading = whole ? 'h1' : 'h2';
  return (
    <div className="empty">
      <span className="empty-icon">
        <Icon name={icon} size={22} />
      </span>
      <Heading>{title}</Heading>
      {children !== undefined && <div className="empty-text">{children}</div>}
    </div>
  );
}

/** Code to copy, whole, with one press. */
export function Snippet({ text, label = 'Copy' }: { text: string; label?: string }) {
  const [copied, setCopied] = useState(false);
  const copy = () => {
    void navigator.clipboard.writeText(text).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), 1500);
    });
  };
  return (
    <div className="snippet">
      <pre tabIndex={0}>{text}</pre>
      <button type="button" className="icon-button" aria-label={copied ? 'Copied' : label} onClick={copy}>
        <Icon name={copied ? 'check' : 'copy'} size={14} />
      </button>
    </div>
  );
}

const TITLES: Record<number, string> = {
  0: 'The server can’t be reached',
  401: 'Please sign in',
  403: 'You may not see this',
  404: 'There is nothing here',
  503: 'The server can’t answer now',
};

/** Where one goes from a page that has nothing, by how its address begins. */
const WAYS_OUT = [
  ['/models', 'Models'],
  ['/features', 'Features'],
  ['/lineage', 'Lineage'],
  ['/experiments', 'Experiments'],
] as const;

function WayOut() {
  const [to, title] = WAYS_OUT.find(([start]) => location.pathname.startsWith(`${start}/`)) ?? WAYS_OUT[3];
  return (
    <Link to={to} className="button">
      {title}
    </Link>
  );
}

/** `whole` where there is nothing else on the page: then its title is the page’s. */
export function Failure({ error, retry, whole = false }: { error: unknown; retry?: () => void; whole?: boolean }) {
  const Heading = whole ? 'h1' : 'strong';
  const problem = error instanceof Problem ? error : null;
  const title = problem === null ? 'This part of the page failed' : (TITLES[problem.status] ?? problem.title);
  return (
    <div className="failure" data-whole={whole || undefined} role="alert">
      <Icon name="alert" size={18} />
      <div className="grow">
        <Heading className="failure-title">{title}</Heading>
        <p>{error instanceof Error ? error.message : String(error)}</p>
        {problem !== null && problem.requestId !== '' && <p className="quiet mono">request {problem.requestId}</p>}
      </div>
      {whole && problem?.status === 404 && <WayOut />}
      {retry !== undefined && problem?.status !== 404 && problem?.status !== 403 && <Button onClick={retry}>Try again</Button>}
    </div>
  );
}

/** Keeps a failure within its panel. */
export class Boundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };
  static getDerivedStateFromError(error: unknown) {
    return { error };
  }
  override componentDidCatch(error: Error, info: ErrorInfo) {
    console.error(error, info.componentStack);
  }
  override render() {
    if (this.state.error === null) return this.props.children;
    return <Failure error={this.state.error} retry={() => this.setState({ error: null })} />;
  }
}
