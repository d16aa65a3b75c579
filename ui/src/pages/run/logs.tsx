/** What a run wrote: its log files and the traceback it ended with. */
import { useQuery } from '@tanstack/react-query';
import { useDeferredValue, useState } from 'react';
import { fileTextQuery } from '@/api/queries';
import { Input, Select, Switch } from '@/shared/ui/controls';
import { Empty, Failure, Skeleton } from '@/shared/ui/feedback';
import { bytes, plural } from '@/shared/ui/format';
import type { Files, Run } from './run';

export function logFiles(files: Files): string[] {
  return files.map((file) => file.path).filter((path) => path === 'traceback.txt' || /(^|\/)logs?\//.test(path) || /\.log$/.test(path) || /(stdout|stderr|output)\.txt$/.test(path));
}

/** The last line of a text ends it; there is none behind. */
export function linesOf(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

const MOST_LINES = 5000;
/** Of a long log so many bytes are read, from its end. */
const TAIL = 2_000_000;

export function Logs({ run, files }: { run: Run; files: Files }) {
  const names = logFiles(files);
  const [chosen, setChosen] = useState<string | null>(null);
  const path = chosen ?? names.find((name) => name !== 'traceback.txt') ?? names[0];
  if (path === undefined) return <Empty icon="file" title="No logs">What the run prints is kept where it was asked for.</Empty>;
  return <LogFile key={path} run={run} path={path} names={names} onChoose={setChosen} />;
}

function LogFile({ run, path, names, onChoose }: { run: Run; path: string; names: string[]; onChoose: (path: string) => void }) {
  const query = useQuery({ ...fileTextQuery(run.id, path, -TAIL), refetchInterval: run.status === 'RUNNING' ? 3000 : false });
  const [text, setText] = useState('');
  const [follow, setFollow] = useState(run.status === 'RUNNING');
  const wanted = useDeferredValue(text.toLowerCase());
  const all = query.data === undefined ? [] : linesOf(query.data.text);
  const lines = all.map((line, index) => [index + 1, line] as const).filter(([, line]) => wanted === '' || line.toLowerCase().includes(wanted));
  const shown = lines.slice(-MOST_LINES);
  const left = query.data?.start ?? 0;
  return (
    <div className="logs">
      <div className="logs-head">
        {names.length > 1 && <Select label="File" value={path} options={names.map((name) => ({ value: name, label: name }))} onChange={onChoose} />}
        <Input icon="search" placeholder="Find in the log" aria-label="Find in the log" value={text} onChange={(event) => setText(event.target.value)} />
        <span className="quiet grow">{wanted === '' ? plural(all.length, 'line') : `${plural(lines.length, 'line')} found`}</span>
        <Switch label="Follow the end" checked={follow} onChange={setFollow} />
      </div>
      {query.isPending && <Skeleton lines={8} />}
      {query.isError && <Failure error={query.error} retry={() => void query.refetch()} />}
      <div className="logs-lines" tabIndex={0} ref={(node) => { if (node !== null && follow) node.scrollTop = node.scrollHeight; }}>
        {left > 0 && <p className="quiet">The first {bytes(left)} are left out; download the file to see them.</p>}
        {lines.length > shown.length && <p className="quiet">{plural(lines.length - shown.length, 'earlier line')} left out; download the file to see them.</p>}
        {shown.map(([at, line]) => (
          <div key={at}>
            {left === 0 && <span>{at}</span>}
            <code>{line === '' ? ' ' : line}</code>
          </div>
        ))}
      </div>
    </div>
  );
}
