/** Where an address leads nowhere, or a page can't be shown. */
import { Link, type ErrorComponentProps } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { Problem } from '@/api/client';
import { ask } from '@/api/request';
import { Button } from '@/shared/ui/controls';
import { Empty, Failure, Skeleton } from '@/shared/ui/feedback';

export function NotFound() {
  return (
    <Empty whole icon="search" title="There is no page at this address">
      <p>It may be mistyped, or from another release.</p>
      <Link to="/" className="button">
        To the start
      </Link>
    </Empty>
  );
}

/** The code of a page couldn't be loaded. */
class Unloaded extends Error {}

/** Loads a page's code. Its failure has a name of ours: what the router knows it reloads at once, also while no server answers. */
export function loaded<T>(load: () => Promise<T>): () => Promise<T> {
  return () =>
    load().catch((cause: unknown) => {
      throw new Unloaded('The code of this page can’t be loaded', { cause });
    });
}

export function Failed({ error, reset }: ErrorComponentProps) {
  return error instanceof Unloaded ? <Reload /> : <Failure whole error={error} retry={reset} />;
}

const RELOADED = 'headrace.reloaded';
/** Milliseconds: between questions whether the server is back; within which a page that was reloaded isn't again. */
const EVERY = 2000;
const AGAIN = 20_000;

/** Loads the page anew as soon as a server answers: one that was down, or one of a newer release, whose files have other names. */
function Reload() {
  const [is, setIs] = useState<'asked' | 'down' | 'newer'>('asked');
  useEffect(() => {
    const look = () =>
      ask('GET', '/health').then(
        ({ ok }) => {
          if (!ok) setIs('down');
          else if (Date.now() - Number(sessionStorage.getItem(RELOADED)) < AGAIN) setIs('newer');
          else {
            sessionStorage.setItem(RELOADED, String(Date.now()));
            location.reload();
          }
        },
        () => setIs('down'),
      );
    void look();
    const timer = setInterval(() => void look(), EVERY);
    return () => clearInterval(timer);
  }, []);
  if (is === 'asked') return <Skeleton lines={6} />;
  if (is === 'down') return <Failure whole error={new Problem(0, '', 'It may be restarting, or the network is down. This page opens as soon as it answers.')} />;
  return (
    <Empty whole icon="undo" title="The server has a newer release">
      <p>This tab is older than the server. Nothing is lost by reloading it.</p>
      <Button tone="primary" onClick={() => location.reload()}>
        Reload
      </Button>
    </Empty>
  );
}
