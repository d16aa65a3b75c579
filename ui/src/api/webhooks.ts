/** Who is told what happens in the registry, and what became of it. */
import { queryOptions } from '@tanstack/react-query';
import { get, post, remove, type Schemas } from './client';

export type Webhook = Schemas['Webhook'];
export type Delivery = Schemas['WebhookDelivery'];
export type WebhookEvent = Webhook['events'][number];

export const webhooksQuery = () => queryOptions({ queryKey: ['webhooks'], queryFn: async ({ signal }) => (await get('/api/v1/webhooks', { signal })).webhooks });

/** Read again every few seconds while something waits to be sent. */
export const deliveriesQuery = (webhook: string) =>
  queryOptions({
    queryKey: ['webhooks', webhook, 'deliveries'],
    queryFn: async ({ signal }) => (await get('/api/v1/webhooks/deliveries', { query: { webhook, limit: 50 }, signal })).deliveries,
    refetchInterval: ({ state }) => (state.data?.some((item) => item.status === 'waiting') === true ? 2_000 : false),
  });

export function createWebhook(webhook: Schemas['NewWebhook']): Promise<Webhook> {
  return post('/api/v1/webhooks', webhook);
}

export function changeWebhook(webhook: string, change: Schemas['WebhookChange']): Promise<Webhook> {
  return post('/api/v1/webhooks/{webhook}', change, { path: { webhook } });
}

export function removeWebhook(webhook: string) {
  return remove('/api/v1/webhooks/{webhook}', { path: { webhook } });
}

export function testWebhook(webhook: string): Promise<Delivery> {
  return post('/api/v1/webhooks/{webhook}/test', undefined as never, { path: { webhook } });
}

export function replayDelivery(delivery: string): Promise<Delivery> {
  return post('/api/v1/webhooks/deliveries/{delivery}/replay', undefined as never, { path: { delivery } });
}
