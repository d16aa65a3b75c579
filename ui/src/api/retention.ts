/** What was deleted long ago, and files that nothing names: told, and removed for good. */
import { post, type Schemas } from './client';

export type Retained = Schemas['Retained'];

export function retain(days: number, dryRun: boolean): Promise<Retained> {
  return post('/api/v1/retention', { days, dry_run: dryRun });
}
