/** The code a run came from: its commit, and what wasn't committed. */
import { useQuery } from '@tanstack/react-query';
import { fileTextQuery } from '@/api/queries';
import { Empty, Failure, Skeleton } from '@/shared/ui/feedback';
import { Facts } from '@/shared/ui/marks';
import type { Files, Run } from './run';

const DIFF = 'capture/code.diff';
const NAMES: [string, string][] = [
  ['mlflow.source.name', 'Source'],
  ['mlflow.source.git.repoURL', 'Repository'],
  ['mlflow.source.git.branch', 'Branch'],
  ['mlflow.source.git.commit', 'Commit'],
];

export function Code({ run, files }: { run: Run; files: Files }) {
  const has = files.some((file) => file.path === DIFF);
  const facts = NAMES.filter(([key]) => run.tags[key] !== undefined).map(([key, name]) => [name, <code key={key}>{run.tags[key]}</code>] as const);
  if (facts.length === 0 && !has) return <Empty icon="code" title="The code wasn’t captured">A run that is started in a git repository keeps its commit, and the diff of what wasn’t committed.</Empty>;
  return (
    <div className="page-body overview">
      <section className="panel panel-body">
        <Facts items={facts} />
      </section>
      {has ? <Diff run={run} /> : <p className="quiet">{withoutDiff(run.tags)}</p>}
    </div>
  );
}

/** What there is to say of changes where no diff was kept. */
export function withoutDiff(tags: Readonly<Record<string, string>>): string {
  if (tags['mlflow.source.git.commit'] === undefined) return 'No commit is known: the run was not started in a git repository.';
  const dirty = tags['headrace.git.dirty']?.toLowerCase();
  if (dirty === 'false') return 'Everything was committed.';
  return dirty === 'true' ? 'Some of it wasn’t committed, and the difference wasn’t kept.' : 'Only the commit was kept: whether all of it was committed isn’t known.';
}

function Diff({ run }: { run: Run }) {
  const query = useQuery(fileTextQuery(run.id, DIFF));
  if (query.isPending) return <Skeleton lines={8} />;
  if (query.isError) return <Failure error={query.error} retry={() => void query.refetch()} />;
  return <DiffText text={query.data.text} />;
}

export function DiffText({ text }: { text: string }) {
  const files = text.split(/^(?=diff --git )/m).filter((part) => part.trim() !== '');
  return files.map((part) => {
    const name = /^diff --git a\/(.*) b\//.exec(part)?.[1] ?? 'changes';
    return (
      <section key={name} className="panel diff">
        <header>
          <h2 className="mono cut">{name}</h2>
        </header>
        <pre tabIndex={0}>
          {part.split('\n').map((line, index) => (
            <span key={index} data-kind={kindOf(line)}>
              {`${line}\n`}
            </span>
          ))}
        </pre>
      </section>
    );
  });
}

function kindOf(line: string): string | undefined {
  if (line.startsWith('@@')) return 'place';
  if (/^(diff|index|\+\+\+|---)/.test(line)) return 'head';
  return line.startsWith('+') ? 'added' : line.startsWith('-') ? 'removed' : undefined;
}
