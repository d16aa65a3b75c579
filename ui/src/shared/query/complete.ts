/** Completion by the server, which knows every key and value of the runs. */
import { completeQuery } from '@/api/queries';
import { plural } from '../ui/format';
import type { Suggestion } from './grammar';

/** Says what may follow at a place in a text. */
export type Complete = (text: string, at: number, signal: AbortSignal) => Promise<{ start: number; suggestions: Suggestion[] }>;

/** Completes queries for runs of these experiments. The server counts characters, the browser halves of some of them. */
export function completerOf(experiments: string[]): Complete {
  return async (text, at, signal) => {
    const { start, options } = await completeQuery(text, Array.from(text.slice(0, at)).length, experiments, signal);
    const suggestions = options.map(({ text: offered, kind, runs }) => ({ text: offered, hint: hintOf(kind, runs) }));
    return { start: Array.from(text).slice(0, start).join('').length, suggestions };
  };
}

function hintOf(kind: string, runs: number | null): string {
  if (kind === 'comparison' || kind === 'keyword' || kind === 'value') return '';
  return runs === null ? kind : `${kind} of ${plural(runs, 'run')}`;
}
