/** Ctrl+K: there at once. What is typed while the code of the search is on its way is searched for when it comes. */
import { Dialog as RadixDialog } from 'radix-ui';
import { lazy, Suspense, useState } from 'react';
import { Button } from '@/shared/ui/controls';
import { Icon } from '@/shared/ui/icon';

export interface PaletteProps {
  text: string;
  onText: (text: string) => void;
  onClose: () => void;
}

const Palette = lazy(() => import('./palette').then((module) => ({ default: module.Palette }), () => ({ default: Unloaded })));

export function SearchDialog({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState('');
  return (
    <RadixDialog.Root open onOpenChange={(open) => !open && onClose()}>
      <RadixDialog.Portal>
        <RadixDialog.Overlay className="dialog-shade" />
        <RadixDialog.Content className="dialog palette" aria-describedby={undefined}>
          <RadixDialog.Title className="unseen">Search and commands</RadixDialog.Title>
          <Suspense
            fallback={
              <Field>
                <input role="combobox" aria-expanded={false} value={text} onChange={(event) => setText(event.target.value)} placeholder={PLACEHOLDER} aria-label="Search and commands" autoFocus />
              </Field>
            }
          >
            <Palette text={text} onText={setText} onClose={onClose} />
          </Suspense>
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  );
}

export const PLACEHOLDER = 'Go to an experiment, a run, a page …';

export function Field({ children }: { children: React.ReactNode }) {
  return (
    <div className="palette-field">
      <Icon name="search" />
      {children}
      <kbd>Esc</kbd>
    </div>
  );
}

function Unloaded() {
  return (
    <div className="palette-lost" role="alert">
      <p>The search can’t be loaded. The server may be restarting, or have a newer release than this tab.</p>
      <Button onClick={() => location.reload()}>Reload</Button>
    </div>
  );
}
