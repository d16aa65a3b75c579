/** What was captured of the environments of runs: machine, software, arguments, and every package. */
import { useQueries, type UseQueryResult } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { Schemas } from '@/api/client';
import { fileTextQuery, filesQuery } from '@/api/queries';
import { CAPTURED, PACKAGES, originOf, packagesOf } from '@/shared/origin';
import type { Environments } from './facts';

type Run = Schemas['Run'];

/** Told by the tags already, or of no two runs the same. */
const LEFT_OUT = new Set(['Source', 'Branch', 'Process']);

export function useEnvironments(runs: readonly Run[]): Environments {
  const kept = useQueries({ queries: runs.map((run) => filesQuery(run.id)), combine: pathsOf });
  const places = useMemo(() => runs.flatMap((run, index) => [CAPTURED, PACKAGES].filter((path) => kept[index]?.includes(path)).map((path) => ({ run: run.id, path }))), [runs, kept]);
  const texts = useQueries({ queries: places.map(({ run, path }) => fileTextQuery(run, path)), combine: textsOf });
  return useMemo(() => {
    const textOf = (run: string, path: string) => texts[places.findIndex((place) => place.run === run && place.path === path)];
    return new Map(runs.map((run) => [run.id, environmentOf(run, textOf(run.id, CAPTURED), textOf(run.id, PACKAGES))]));
  }, [runs, places, texts]);
}

function environmentOf({ user }: Run, captured: string | undefined, packages: string | undefined): ReadonlyMap<string, string> {
  const { facts, variables } = originOf(captured, { user, tags: {} });
  return new Map([...facts.filter(([name]) => !LEFT_OUT.has(name)).map(([name, value]): [string, string] => [name.toLowerCase(), value]), ...variables.map(([name, value]): [string, string] => [`$${name}`, value]), ...packagesOf(packages)]);
}

function pathsOf(asked: readonly UseQueryResult<Schemas['RunFiles']>[]): string[][] {
  return asked.map(({ data }) => data?.files.map((file) => file.path).filter((path) => path === CAPTURED || path === PACKAGES) ?? []);
}

function textsOf(asked: readonly UseQueryResult<{ text: string }>[]): (string | undefined)[] {
  return asked.map(({ data }) => data?.text);
}
