/** Where an address leads nowhere, or a page can't be shown. */
import { Link, type ErrorComponentProps } from '@tanstack/react-router';
import { Button } from '@/shared/ui/controls';
import { Empty, Failure } from '@/shared/ui/feedback';

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

/** A page whose code can't be loaded is of an older release than the server: loading it anew helps. */
export function Failed({ error, reset }: ErrorComponentProps) {
  if (/dynamically imported module|module script/i.test(error instanceof Error ? error.message : String(error))) {
    return (
      <Empty whole icon="undo" title="The server has a newer release">
        <p>This tab is older than the server. Nothing is lost by reloading it.</p>
        <Button tone="primary" onClick={() => location.reload()}>
          Reload
        </Button>
      </Empty>
    );
  }
  return <Failure error={error} retry={reset} />;
}
