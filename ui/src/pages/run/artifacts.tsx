/** The files of a run: a tree beside a look into the chosen one. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { lazy, Suspense, useState } from 'react';
import { address } from '@/api/request';
import { filesQuery, fileTextQuery, pageQuery } from '@/api/queries';
import { Button } from '@/shared/ui/controls';
import { Empty, Failure, Skeleton, Snippet } from '@/shared/ui/feedback';
import { bytes, plural, whole } from '@/shared/ui/format';
import { Icon } from '@/shared/ui/icon';
import type { Files, Run } from './run';

const FigureText = lazy(() => import('./figure-look').then((module) => ({ default: module.FigureText })));
const Markdown = lazy(() => import('@/shared/ui/markdown').then((module) => ({ default: module.Markdown })));

export function Artifacts({ run, files, chosen }: { run: Run; files: Files; chosen: string | undefined }) {
  const file = files.find((item) => item.path === chosen) ?? files.find((item) => !item.path.startsWith('capture/')) ?? files[0];
  const unread = useQuery(filesQuery(run.id)).data?.unread ?? '';
  if (file === undefined && unread !== '') return <Unread place={unread} />;
  if (file === undefined) return <Empty icon="folder" title="No artifacts">Files come with <code>run.log_artifact(path)</code>.</Empty>;
  return (
    <div className="artifacts">
      <nav className="artifact-tree" aria-label="Files">
        <Folder files={files} below="" depth={0} chosen={file.path} />
      </nav>
      <Preview key={file.path} run={run} file={file} />
    </div>
  );
}

/** Why nothing is shown of a run whose client put its files into a bucket itself. */
function Unread({ place }: { place: string }) {
  const bucket = /^\w+:\/\/[^/]+/.exec(place)?.[0] ?? place;
  return (
    <Empty icon="folder" title="The files are in a bucket that this server doesn’t read">
      <p>
        The client put them at <code>{place}</code> itself. Whoever runs the server names the bucket in <code>headrace.toml</code>, gives the server access to it, and starts it again:
      </p>
      <Snippet text={`artifact_buckets = ["${bucket}"]`} />
    </Empty>
  );
}

function Folder({ files, below, depth, chosen }: { files: Files; below: string; depth: number; chosen: string }) {
  const folders = [...new Set(files.map((file) => file.path.slice(below.length)).filter((rest) => rest.includes('/')).map((rest) => rest.slice(0, rest.indexOf('/'))))];
  const own = files.filter((file) => !file.path.slice(below.length).includes('/'));
  const indent = { paddingLeft: 10 + depth * 15 };
  return (
    <ul>
      {folders.map((name) => (
        <FolderLine key={name} name={name} indent={indent} open={chosen.startsWith(`${below}${name}/`) || depth === 0}>
          <Folder files={files.filter((file) => file.path.startsWith(`${below}${name}/`))} below={`${below}${name}/`} depth={depth + 1} chosen={chosen} />
        </FolderLine>
      ))}
      {own.map((file) => (
        <li key={file.path}>
          <Link from="/runs/$run" to="/runs/$run" search={{ tab: 'artifacts', file: file.path }} className="artifact" style={indent} aria-current={file.path === chosen ? 'page' : undefined} activeOptions={{ exact: true }}>
            <Icon name="file" size={14} />
            <span className="cut grow">{file.path.slice(below.length)}</span>
            <span className="quiet">{bytes(file.size)}</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

function FolderLine({ name, indent, open: first, children }: { name: string; indent: { paddingLeft: number }; open: boolean; children: React.ReactNode }) {
  const [open, setOpen] = useState(first);
  return (
    <li>
      <button type="button" className="artifact" style={indent} aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name={open ? 'down' : 'right'} size={12} />
        <span className="cut">{name}</span>
      </button>
      {open && children}
    </li>
  );
}

type File = Files[number];

function Preview({ run, file }: { run: Run; file: File }) {
  const url = address('/api/v1/runs/{run}/files/{path}', { path: { run: run.id, path: file.path } });
  return (
    <section className="preview" aria-label={file.path}>
      <header>
        <h2 className="cut grow" title={file.path}>
          {file.path}
        </h2>
        <span className="quiet">{bytes(file.size)}</span>
        <a className="button" href={`${url}?download=true`} download>
          <Icon name="download" size={14} />
          Download
        </a>
      </header>
      <div className="preview-body">
        <Look run={run} file={file} url={url} />
      </div>
      <footer className="quiet mono cut">SHA-256 {file.digest}</footer>
    </section>
  );
}

const MOST_PICTURE = 40_000_000;

function Look({ run, file, url }: { run: Run; file: File; url: string }) {
  const { path, media_type: type } = file;
  if (/\.(csv|tsv|parquet)$/i.test(path)) return <TablePages run={run} file={file} />;
  if (type.startsWith('image/') && file.size <= MOST_PICTURE) return <img className="preview-picture" src={url} alt={path} />;
  if (/\.html?$/i.test(path)) return <PageLook run={run} file={file} url={url} />;
  if (/\.plotly\.json$/i.test(path) && file.size <= DOCUMENT) return <FigureLook run={run} path={path} />;
  if (type.startsWith('text/') || /json|yaml|xml|javascript|toml/.test(type) || /(^|\/)(MLmodel|[^.]+)$/.test(path)) return <TextLook run={run} path={path} />;
  return (
    <Empty icon="file" title="No preview">
      Files of this type, and very large pictures, are downloaded to look at them.
    </Empty>
  );
}

/** A page of a text, in bytes. */
const TEXT_PAGE = 500_000;
/** What is read as a whole, not by lines, is shown up to so many bytes. */
const DOCUMENT = 2_000_000;

/** A page draws itself, in a sandbox that reaches nothing. One that needs Plotly from elsewhere to draw its figure has it drawn here. */
function PageLook({ run, file, url }: { run: Run; file: File; url: string }) {
  const isShort = file.size <= DOCUMENT;
  const query = useQuery({ ...fileTextQuery(run.id, file.path, 0, DOCUMENT), enabled: isShort });
  if (isShort && query.isPending) return <Skeleton lines={8} />;
  const text = query.data?.text ?? '';
  const loads = /<script[^>]+src=["']?(https?:)?\/\//i.test(text);
  const page = (
    <>
      {loads && <p className="preview-note quiet">The page asks for a script from elsewhere, which it can’t have here. Download it to see it whole.</p>}
      <iframe className="preview-page" src={url} sandbox="allow-scripts" title={file.path} />
    </>
  );
  if (!loads || !text.includes('Plotly.newPlot(')) return page;
  return (
    <Suspense fallback={<Skeleton lines={8} />}>
      <FigureText text={text} otherwise={page} />
    </Suspense>
  );
}

function FigureLook({ run, path }: { run: Run; path: string }) {
  const query = useQuery(fileTextQuery(run.id, path, 0, DOCUMENT));
  if (query.isPending) return <Skeleton lines={8} />;
  if (query.isError) return <Failure error={query.error} retry={() => void query.refetch()} />;
  return (
    <Suspense fallback={<Skeleton lines={8} />}>
      <FigureText text={query.data.text} otherwise={<TextLook run={run} path={path} />} />
    </Suspense>
  );
}

function TextLook({ run, path }: { run: Run; path: string }) {
  const isDocument = /\.(md|markdown|json)$/i.test(path);
  const places = usePlaces(0);
  const query = useQuery({ ...fileTextQuery(run.id, path, places.here, isDocument ? DOCUMENT : TEXT_PAGE), placeholderData: keepPreviousData });
  if (query.isPending) return <Skeleton lines={8} />;
  if (query.isError) return <Failure error={query.error} retry={() => void query.refetch()} />;
  const { text, start, end, size } = query.data;
  const isWhole = start === 0 && end === size;
  return (
    <div className="pages">
      {/\.(md|markdown)$/i.test(path) ? (
        <Suspense fallback={<Skeleton />}>
          <div className="prose preview-text" tabIndex={0}>
            <Markdown text={text} />
          </div>
        </Suspense>
      ) : (
        <pre key={start} className="preview-text preview-lines" tabIndex={0}>
          {isWhole && /\.json$/i.test(path) ? pretty(text) : text}
        </pre>
      )}
      {!isWhole && (
        <PagesFoot told={`${bytes(start)} to ${bytes(end)} of ${bytes(size)}`} before={places.back} after={end < size && !query.isPlaceholderData ? () => places.go(end) : undefined} />
      )}
    </div>
  );
}

/** Where the pages that were looked at begin: the way back, whatever sizes they had. */
function usePlaces<T>(first: T): { here: T; go: (next: T) => void; back: (() => void) | undefined } {
  const [places, setPlaces] = useState<[T, ...T[]]>([first]);
  const back = () => setPlaces(([start, ...rest]) => [start, ...rest.slice(0, -1)]);
  return { here: places.at(-1) ?? first, go: (next) => setPlaces((now) => [...now, next]), back: places.length > 1 ? back : undefined };
}

function PagesFoot({ told, before, after }: { told: string; before: (() => void) | undefined; after: (() => void) | undefined }) {
  return (
    <div className="pages-foot">
      <span className="quiet grow">{told}</span>
      <Button icon="left" disabled={before === undefined} onClick={before}>
        Before
      </Button>
      <Button disabled={after === undefined} onClick={after}>
        After
        <Icon name="right" size={14} />
      </Button>
    </div>
  );
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

const ROWS = 100;

function TablePages({ run, file: { path, size: inBytes } }: { run: Run; file: File }) {
  const places = usePlaces({ start: 0, row: 0 });
  const { start, row: first } = places.here;
  const isCounted = /\.parquet$/i.test(path);
  const query = useQuery(pageQuery(run.id, path, { start, offset: isCounted ? first : 0 }, ROWS));
  if (query.isPending) return <Skeleton lines={8} />;
  if (query.isError) return <Failure error={query.error} retry={() => void query.refetch()} />;
  const { rows, following, columns, values } = query.data;
  const size = values[0]?.length ?? 0;
  const next = first + size;
  const more = isCounted ? next < (rows ?? 0) : following !== null;
  const told = `${whole(Math.min(first + 1, next))}–${whole(next)} of ${rows === null ? `the rows in ${bytes(inBytes)}` : plural(rows, 'row')}`;
  return (
    <div className="pages">
      <div className="table-scroll" tabIndex={0} role="group" aria-label={`Rows of ${path}`}>
        <table className="grid-table">
          <thead>
            <tr>
              <th className="num">#</th>
              {columns.map((column, place) => (
                <th key={place} title={column.type}>
                  {column.name} <span className="type">{column.type}</span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {Array.from({ length: size }, (_, row) => (
              <tr key={row}>
                <td className="num quiet">{whole(first + row + 1)}</td>
                {columns.map((_, place) => (
                  <td key={place}>{shown(values[place]?.[row])}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <PagesFoot told={told} before={places.back} after={more && !query.isPlaceholderData ? () => places.go({ start: following ?? 0, row: next }) : undefined} />
    </div>
  );
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return '–';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
