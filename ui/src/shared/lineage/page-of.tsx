/** The page of a thing that the lineage names. */
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';

/** Whether a thing has a page beside its lineage. */
export function hasPage(urn: string): boolean {
  return /^(group|view|feature|run|models):/.test(urn);
}

/** A link to the page of a thing; those that have none are looked at in the lineage. */
export function PageOf({ urn, className, children }: { urn: string; className: string; children: ReactNode }) {
  const [kind, name] = [urn.slice(0, urn.indexOf(':')), urn.slice(urn.indexOf(':') + 1)];
  const version = /^models:\/(.+)\/(\d+)$/.exec(urn);
  const model = /^models:\/(.+?)(?:@[^@]+)?$/.exec(urn);
  const common = { className, children };
  if (kind === 'group' || kind === 'view') return <Link to="/features/$kind/$name" params={{ kind, name: name.replace(/:\d+$/, '') }} {...common} />;
  if (kind === 'feature') return <Link to="/features/$kind/$name" params={{ kind: 'group', name: name.replace(/:\d+\..*$/, '') }} {...common} />;
  if (kind === 'run') return <Link to="/runs/$run" params={{ run: name }} {...common} />;
  if (version !== null) return <Link to="/models/$name/$version" params={{ name: version[1] ?? '', version: version[2] ?? '' }} {...common} />;
  if (model !== null) return <Link to="/models/$name" params={{ name: model[1] ?? '' }} {...common} />;
  return <Link to="/lineage/$" params={{ _splat: urn }} {...common} />;
}
