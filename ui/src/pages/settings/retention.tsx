/** How long what was deleted can be restored: look first, then remove the rest for good. */
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { retain, type Retained } from '@/api/retention';
import { Button, Field, Input } from '@/shared/ui/controls';
import { bytes, plural } from '@/shared/ui/format';
import { Dialog } from '@/shared/ui/overlays';
import { toast } from '@/shared/ui/toasts';

const MONTH = 30;

export function Retention() {
  const [days, setDays] = useState(String(MONTH));
  const [asking, setAsking] = useState(false);
  const age = Number(days);
  const sound = days.trim() !== '' && age >= 1 && age <= 36_500;
  const wrong = (error: Error) => toast(error.message, { bad: true });
  const look = useMutation({ mutationFn: () => retain(age, true), onSuccess: (found) => (isNothing(found) ? toast('Nothing was deleted so long ago') : setAsking(true)), onError: wrong });
  const remove = useMutation({
    mutationFn: () => retain(age, false),
    onSuccess: (done) => toast(`Removed for good: ${told(done)}`),
    onError: wrong,
    onSettled: () => setAsking(false),
  });
  return (
    <section className="panel" aria-label="Retention">
      <header>
        <h2>Retention</h2>
      </header>
      <div className="panel-body settings-form">
        <p className="quiet">
          Deleted runs and experiments can be restored until they are removed for good. What a model version was made from stays. On the
          command line: <code>headrace runs purge</code>, <code>headrace artifacts gc</code>.
        </p>
        <Field label="Deleted more than so many days ago">
          <Input type="number" min={1} max={36_500} value={days} onChange={(event) => setDays(event.target.value)} />
        </Field>
        <Button busy={look.isPending} disabled={!sound} onClick={() => look.mutate()}>
          See what would go
        </Button>
      </div>
      {asking && look.data !== undefined && (
        <Dialog
          open
          onClose={() => setAsking(false)}
          title="Remove for good?"
          text={`${told(look.data)}, with the files that only they name. Nothing brings them back.`}
          actions={
            <>
              <Button onClick={() => setAsking(false)}>Keep them</Button>
              <Button tone="bad" busy={remove.isPending} onClick={() => remove.mutate()}>
                Remove for good
              </Button>
            </>
          }
        >
          {look.data.kept > 0 && <p>{plural(look.data.kept, 'run')} as old stay: a model version or another run stands on them.</p>}
        </Dialog>
      )}
    </section>
  );
}

function isNothing(found: Retained): boolean {
  return found.runs + found.experiments + found.files + found.leftovers === 0;
}

function told(done: Retained): string {
  return `${plural(done.runs, 'run')}, ${plural(done.experiments, 'experiment')}, ${plural(done.files, 'file')} (${bytes(done.bytes + done.leftovers)})`;
}
