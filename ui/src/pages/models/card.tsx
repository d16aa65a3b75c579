/** The model card: what people wrote, completed with what is known; written here. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { lazy, Suspense, useState } from 'react';
import { getText } from '@/api/client';
import { address } from '@/api/request';
import { writeCard, type Version } from '@/api/models';
import { useMay } from '@/shared/may';
import { Button } from '@/shared/ui/controls';
import { Failure, Skeleton } from '@/shared/ui/feedback';
import { toast } from '@/shared/ui/toasts';

const Markdown = lazy(() => import('@/shared/ui/markdown').then((module) => ({ default: module.Markdown })));

export function Card({ name, version }: { name: string; version: Version }) {
  const [draft, setDraft] = useState<string | null>(null);
  const client = useQueryClient();
  const writes = useMay()('models:write');
  const query = useQuery({
    queryKey: ['models', name, 'card', version.version],
    queryFn: ({ signal }) => getText(address('/api/v1/models/{name}/versions/{version}/card', { path: { name, version: String(version.version) } }), signal),
  });
  const write = useMutation({
    mutationFn: (text: string) => writeCard(name, version.version, text),
    onSuccess: () => {
      setDraft(null);
      toast('The card is written');
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['models', name] }),
  });
  return (
    <section className="panel" aria-label="Model card">
      <header>
        <h2 className="grow">Model card</h2>
        {draft === null && writes && <Button onClick={() => setDraft(version.card)}>{version.card === '' ? 'Write' : 'Edit'}</Button>}
        {draft !== null && (
          <>
            <Button onClick={() => setDraft(null)}>Cancel</Button>
            <Button tone="primary" busy={write.isPending} onClick={() => write.mutate(draft)}>
              Save
            </Button>
          </>
        )}
      </header>
      {draft !== null && (
        <div className="panel-body">
          <textarea className="text-area card-text" aria-label="Card, Markdown" autoFocus value={draft} onChange={(event) => setDraft(event.target.value)} placeholder="What it is for, what it was trained on, where it fails. Figures and origins are added by themselves." />
          {write.isError && (
            <p className="wrong" role="alert">
              {write.error.message}
            </p>
          )}
        </div>
      )}
      {draft === null && query.isPending && <Skeleton lines={3} />}
      {draft === null && query.isError && <Failure error={query.error} retry={() => void query.refetch()} />}
      {draft === null && query.data !== undefined && (
        <div className="panel-body prose card-shown" tabIndex={0} aria-label="The card">
          <Suspense fallback={<Skeleton />}>
            <Markdown text={query.data.text} />
          </Suspense>
        </div>
      )}
    </section>
  );
}
