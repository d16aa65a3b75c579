/** The files of a run: a tree beside a look into the chosen one. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { lazy, Suspense, useState } from 'react';
import { address } from '@/api/client';
import { fileTextQuery, pageQuery } from '@/api/queries';
import { Button } from '@/shared/ui/controls';
import { Empty, Failure, Skeleton } from '@/shared/ui/feedback';
import { bytes, plural, whole } from '@/shared/ui/format';
import { Icon } from '@/shared/ui/icon';
import type { Files, Run } from './run';

const Markdown = lazy(() => import('@/shared/ui/markdown').then((module) => ({ default: module.Markdown })));

export function Artifacts({ run, files, chosen }: { run: Run; files: Files; chosen: string | undefined }) {
  const file = files.find((item) => item.path === chosen) ?? files.find((item) => !item.path.startsWith('capture/')) ?? files[0];
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
const MOST_TEXT = 2_000_000;

function Look({ run, file, url }: { run: Run; file: File; url: string }) {
  const { path, media_type: type } = file;
  if (/\.(csv|tsv|parquet)$/i.test(path)) return <TablePages run={run} path={path} />;
  if (type.startsWith('image/') && file.size <= MOST_PICTURE) return <img className="preview-picture" src={url} alt={path} />;
  if (/\.html?$/i.test(path)) return <iframe className="preview-page" src={url} sandbox="allow-scripts" title={path} />;
  const isText = type.startsWith('text/') || /json|yaml|xml|javascript|toml/.test(type) || /(^|\/)(MLmodel|[^.]+)$/.test(path);
  if (isText && file.size <= MOST_TEXT * 4) return <TextLook run={run} path={path} />;
  return (
    <Empty icon="file" title="No preview">
      Files of this type, or so large, are downloaded to look at them.
    </Empty>
  );
}

function TextLook({ run, path }: { run: Run; path: string }) {
  const query = useQuery(fileTextQuery(run.id, path));
  if (query.isPending) return <Skeleton lines={8} />;
  if (query.isError) return <Failure error={query.error} retry={() => void query.refetch()} />;
  const { text, cut } = query.data;
  if (/\.(md|markdown)$/i.test(path)) {
    return (
      <Suspense fallback={<Skeleton />}>
        <div className="prose preview-text">
          <Markdown text={text} />
        </div>
      </Suspense>
    );
  }
  return (
    <pre className="preview-text" tabIndex={0}>
      {/\.json$/i.test(path) ? pretty(text) : text}
      {cut && '\n…'}
    </pre>
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

function TablePages({ run, path }: { run: Run; path: string }) {
  const [offset, setOffset] = useState(0);
  const query = useQuery(pageQuery(run.id, path, offset, ROWS));
  if (query.isPending) return <Skeleton lines={8} />;
  if (query.isError) return <Failure error={query.error} retry={() => void query.refetch()} />;
  const { rows, columns, values } = query.data;
  const size = values[0]?.length ?? 0;
  return (
    <div className="pages">
      <div className="table-scroll" tabIndex={0} role="group" aria-label={`Rows of ${path}`}>
        <table className="grid-table">
          <thead>
            <tr>
              <th className="num">#</th>
              {columns.map((column) => (
                <th key={column.name} title={column.type}>
                  {column.name} <span className="type">{column.type}</span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {Array.from({ length: size }, (_, row) => (
              <tr key={row}>
                <td className="num quiet">{whole(offset + row + 1)}</td>
                {columns.map((column, place) => (
                  <td key={column.name}>{shown(values[place]?.[row])}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="pages-foot">
        <span className="quiet grow">
          {whole(Math.min(offset + 1, rows))}–{whole(offset + size)} of {plural(rows, 'row')}
        </span>
        <Button icon="left" disabled={offset === 0} onClick={() => setOffset(Math.max(0, offset - ROWS))}>
          Before
        </Button>
        <Button disabled={offset + ROWS >= rows} onClick={() => setOffset(offset + ROWS)}>
          After
          <Icon name="right" size={14} />
        </Button>
      </div>
    </div>
  );
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return '–';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
