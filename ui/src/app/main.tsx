/** Where the app starts. */
import '@/shared/design/design.css';
import '@fontsource-variable/inter/wght.css';
import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { Tooltip } from 'radix-ui';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { meQuery } from '@/api/accounts';
import { Problem } from '@/api/client';
import { live } from '@/api/live';
import { apply, boundCurves } from '@/api/queries';
import { makeRouter } from './router';

const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.nonce;
if (nonce !== undefined) Object.assign(window, { __webpack_nonce__: nonce });

/** Whoever is told to say who they are is signed out, whatever the page believes. */
const signedOut = (error: unknown) => {
  if (error instanceof Problem && error.status === 401) void client.invalidateQueries({ queryKey: meQuery().queryKey });
};

const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError: signedOut }),
  mutationCache: new MutationCache({ onError: signedOut }),
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      retry: (count, error) => count < 2 && (!(error instanceof Problem) || error.status === 503),
      refetchOnWindowFocus: false,
      networkMode: 'always',
    },
    mutations: { networkMode: 'always' },
  },
});
live.subscribe((event) => apply(client, event));
const askWho = () => void client.invalidateQueries({ queryKey: meQuery().queryKey });
live.watch(() => {
  if (live.state === 'reconnecting') askWho(); // the session may be what ended
});
live.onBeat = askWho; // of a session that ended while nothing happens, no event tells
boundCurves(client);
client.query(meQuery()).catch(() => undefined); // whoever needs it asks, and tells, again

const root = document.getElementById('root');
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <Tooltip.Provider delayDuration={350} skipDelayDuration={200}>
          <RouterProvider router={makeRouter(client)} />
        </Tooltip.Provider>
      </QueryClientProvider>
    </StrictMode>,
  );
}
