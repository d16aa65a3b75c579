/** What is written of a model or a version. Pure. */
import type { TextChange } from '@/api/models';

export interface Texts {
  description: string;
  owner: string;
  tags: Readonly<Record<string, string>>;
}

/** What differs, as the server takes it. */
export function changeOf(before: Texts, now: Texts): TextChange {
  const set = Object.fromEntries(Object.entries(now.tags).filter(([key, value]) => before.tags[key] !== value));
  const remove = Object.keys(before.tags).filter((key) => !Object.hasOwn(now.tags, key));
  return {
    ...(now.description === before.description ? {} : { description: now.description }),
    ...(now.owner === before.owner ? {} : { owner: now.owner }),
    ...(Object.keys(set).length === 0 ? {} : { set }),
    ...(remove.length === 0 ? {} : { remove }),
  };
}
