/** Which moves there are between stages, and what each is called. */
import type { Model, Stage, Version } from '@/api/models';
import type { May } from '@/shared/may';

const MOVES: Partial<Record<Stage, Partial<Record<Stage, string>>>> = {
  None: { Staging: 'Stage', Production: 'Promote', Archived: 'Archive' },
  Staging: { None: 'Withdraw', Production: 'Promote', Archived: 'Archive' },
  Production: { Staging: 'Demote', Archived: 'Retire' },
  Archived: { Staging: 'Restore', Production: 'Roll back to' },
};

export function moveName(from: Stage, to: Stage): string | null {
  return MOVES[from]?.[to] ?? null;
}

const DONE: Readonly<Record<string, string>> = {
  register: 'registered',
  stage: 'staged',
  promote: 'promoted',
  rollback: 'rolled back to',
  refuse: 'refused',
  demote: 'demoted',
  withdraw: 'withdrew',
  archive: 'archived',
  retire: 'retired',
  restore: 'restored',
  gates: 'set the gates',
  alias: 'moved an alias',
  describe: 'described',
  owner: 'set the owner',
  card: 'wrote the card',
  request: 'asked for a move of',
  approve: 'approved',
  reject: 'rejected',
  comment: 'commented on',
};

/** What was done, in words that a version may follow; an action that isn't known is told by its name. */
export function did(action: string): string {
  return (Object.hasOwn(DONE, action) ? DONE[action] : undefined) ?? action;
}

/** Why a version can't be moved to a stage; null if it can. */
export function whyNot(version: Version, to: Stage): string | null {
  if (version.stage === to) return `It is in ${to} already.`;
  if (moveName(version.stage, to) === null) {
    const ways = Object.keys(MOVES[version.stage] ?? {}).join(' or ');
    return `No way leads from ${version.stage} to ${to}; from there it goes to ${ways}.`;
  }
  if (version.stage === 'Archived' && to === 'Production' && !version.reigned) return 'Only a version that was in Production before goes back there; restore it to Staging first.';
  return null;
}

/** Why who is signed in can't move a version to a stage themselves; null if they can. */
export function whyMayNot(may: May, version: Pick<Version, 'stage'>, to: Stage): string | null {
  if (!may('models:write')) return 'You may look at models and not move them.';
  if ((to === 'Production' || version.stage === 'Production') && !may('models:promote')) return 'An approver decides what is in Production; ask for the move on the page of the version.';
  return null;
}

/** What somebody else did since a dialog was opened that makes what it shows untrue; null if nothing. */
export function movedMeanwhile(seen: Pick<Model, 'champion'>, version: Pick<Version, 'version' | 'stage'>, now: Pick<Model, 'champion' | 'versions'>): string | null {
  const found = now.versions.find((item) => item.version === version.version);
  if (found === undefined) return `Version ${version.version} was deleted meanwhile. Nothing was changed.`;
  if (found.stage !== version.stage) return `Somebody moved version ${version.version} to ${found.stage} meanwhile. Nothing was changed by you; the board shows how it stands.`;
  if (now.champion !== seen.champion) {
    const was = seen.champion === null ? 'there was none' : `it was version ${seen.champion}`;
    return `Somebody else changed the champion meanwhile: it is ${now.champion === null ? 'none' : `version ${now.champion}`} now, ${was} when you looked. Nothing was changed by you; look at the gates again.`;
  }
  return null;
}
