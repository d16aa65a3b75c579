/** What a run wrote: its log files and the traceback it ended with. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useDeferredValue, useEffect, useMemo, useState } from 'react';
import { foundLinesQuery, logQuery } from '@/api/queries';
import { getBytes } from '@/api/client';
import { address } from '@/api/request';
import { Input, Select, Switch } from '@/shared/ui/controls';
import { Empty, Failure, Skeleton } from '@/shared/ui/feedback';
import { bytes, plural, whole } from '@/shared/ui/format';
import { atEnd, lineCount, LogFile, type Stretch } from './log-file';
import { Found, Lines } from './log-lines';
import type { Files, Run } from './run';

export function logFiles(files: Files): string[] {
  return files.map((file) => file.path).filter((path) => path === 'traceback.txt' || /(^|\/)logs?\//.test(path) || /\.log$/.test(path) || /(stdout|stderr|output)\.txt$/.test(path));
}

export function Logs({ run, files }: { run: Run; files: Files }) {
  const names = logFiles(files);
  const [chosen, setChosen] = useState<string | null>(null);
  const path = chosen ?? names.find((name) => name !== 'traceback.txt') ?? names[0];
  if (path === undefined) return <Empty icon="file" title="No logs">What the run prints is kept where it was asked for.</Empty>;
  return <LogView key={path} run={run} path={path} names={names} onChoose={setChosen} />;
}

function LogView({ run, path, names, onChoose }: { run: Run; path: string; names: string[]; onChoose: (path: string) => void }) {
  const client = useQueryClient();
  const file = useMemo(() => new LogFile((start, end, tag) => getBytes(address('/api/v1/runs/{run}/files/{path}', { path: { run: run.id, path } }), start, end, tag)), [run.id, path]);
  const options = logQuery(run.id, path, file.follow, run.status === 'RUNNING');
  const query = useQuery(options);
  const [text, setText] = useState('');
  const [follows, setFollows] = useState(true);
  const [shown, setShown] = useState<number | null>(null);
  const wanted = useSettled(text.trim());
  const stretch = query.data;
  const move = (step: () => Promise<Stretch>) => step().then((next) => client.setQueryData(options.queryKey, next), () => void query.refetch());
  const follow = (on: boolean) => {
    setFollows(on);
    if (on && stretch !== undefined && !atEnd(stretch)) void move(file.toEnd);
  };
  const show = (start: number, number: number) => {
    setText('');
    setFollows(false);
    setShown(null);
    void move(() => file.at(start, number)).then(() => setShown(number));
  };
  const isFinding = text.trim() !== '' && wanted !== '';
  return (
    <div className="logs">
      <div className="logs-head">
        {names.length > 1 && <Select label="File" value={path} options={names.map((name) => ({ value: name, label: name }))} onChange={onChoose} />}
        <Input icon="search" placeholder="Find in the log" aria-label="Find in the log" value={text} onChange={(event) => setText(event.target.value)} />
        {stretch !== undefined && !isFinding && <span className="quiet grow">{sizeOf(stretch)}</span>}
        {isFinding && stretch !== undefined && <FoundCount run={run.id} path={path} text={wanted} stretch={stretch} />}
        <Switch label="Follow the end" checked={follows} onChange={follow} />
      </div>
      {query.isPending && <Skeleton lines={8} />}
      {query.isError && <Failure error={query.error} retry={() => void query.refetch()} />}
      {stretch !== undefined && (isFinding ? <FoundPart run={run.id} path={path} text={wanted} stretch={stretch} onShow={show} /> : <Lines stretch={stretch} follows={follows} shown={shown} onFollow={setFollows} earlier={() => move(file.earlier)} later={() => move(file.later)} />)}
    </div>
  );
}

function sizeOf(stretch: Stretch): string {
  if (stretch.start === 0 && atEnd(stretch)) return plural(lineCount(stretch), 'line');
  return `${bytes(stretch.size)}, read as you scroll`;
}

interface FoundProps {
  run: string;
  path: string;
  text: string;
  stretch: Stretch;
}

function FoundCount({ run, path, text, stretch }: FoundProps) {
  const { data, isFetching } = useFound({ run, path, text, stretch });
  if (data === undefined) return <span className="quiet grow">{isFetching ? 'Looking through the log …' : ''}</span>;
  const found = data.found + (data.last === null ? 0 : 1);
  return (
    <span className="quiet grow" role="status">
      {plural(found, 'line')} found{data.lines.length < data.found ? `, the first ${whole(data.lines.length)} are shown` : ''}
    </span>
  );
}

function FoundPart({ onShow, ...asked }: FoundProps & { onShow: (start: number, number: number) => void }) {
  const { data, isError, error, refetch } = useFound(asked);
  if (isError) return <Failure error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Skeleton lines={8} />;
  const lines = data.last === null ? data.lines : [...data.lines, data.last];
  if (lines.length === 0) return <Empty icon="search" title="No line has that" />;
  return <Found lines={lines} text={asked.text} onShow={onShow} />;
}

/** The lines that have a text in them. Of a file that has grown only what is new is looked through. */
function useFound({ run, path, text, stretch }: FoundProps) {
  const query = useQuery(foundLinesQuery(run, path, text, stretch.generation));
  const { refetch } = query;
  useEffect(() => void refetch({ cancelRefetch: false }), [refetch, stretch.size, stretch.tag]);
  return query;
}

/** A text once nobody has typed for a moment. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), 200);
    return () => clearTimeout(timer);
  }, [text]);
  return useDeferredValue(settled);
}
