/** What was captured of the process, the software and the machine of a run, as facts that people read. */
import { bytes, plural } from '@/shared/ui/format';

/** The files that the client writes. */
export const CAPTURED = 'capture/environment.json';
export const PACKAGES = 'capture/requirements.txt';

/** The first of them, as far as it is shown. */
interface Captured {
  python?: string;
  implementation?: string;
  platform?: string;
  variables?: Record<string, string>;
  process?: { entry?: string; source?: string; arguments?: string[]; folder?: string };
  host?: { host?: string; user?: string; pid?: number; cpu?: string; cores?: number; threads?: number; memory?: number; image?: string; container?: string; runtime?: string };
}

/** What the run itself says of the same. */
interface Told {
  user: string;
  tags: Readonly<Record<string, string>>;
}

export interface Origin {
  facts: [string, string][];
  /** Environment variables that were set. */
  variables: [string, string][];
}

/** Each fact once; what wasn't captured is left out. What the page's head says, the user and the commit, isn't said again. */
export function originOf(text: string | undefined, { user, tags }: Told): Origin {
  const { python = '', implementation = '', platform = '', variables = {}, process = {}, host = {} } = read(text);
  const { entry = '', folder = '' } = process;
  const source = process.source || tags['mlflow.source.name'] || '';
  const facts: [string, string | undefined][] = [
    ['Source', source === '' || source === entry ? entry : entry === 'module' ? `python -m ${source}` : source],
    ['Arguments', process.arguments?.slice(1).join(' ')],
    ['Folder', folder],
    ['Branch', tags['mlflow.source.git.branch']],
    ['Python', joined(' ', python, implementation === 'CPython' ? '' : implementation)],
    ['Platform', platform],
    ['Host', host.host],
    ['User', host.user === user ? '' : host.user],
    ['Processor', joined(', ', host.cpu, counted(host.cores, 'core'), counted(host.threads, 'thread'))],
    ['Memory', (host.memory ?? 0) > 0 ? bytes(host.memory ?? 0) : ''],
    ['Container', joined(' ', host.runtime, host.image, host.container?.slice(0, 12))],
    ['Process', host.pid?.toString()],
  ];
  return { facts: facts.filter((fact): fact is [string, string] => fact[1] !== undefined && fact[1] !== ''), variables: Object.entries(variables) };
}

/** Packages and their versions, out of lines of requirements. */
export function packagesOf(text: string | undefined): [string, string][] {
  return (text ?? '').split('\n').flatMap((line): [string, string][] => {
    const [, name, version] = /^([\w.-]+)\s*(?:==|@)\s*(\S+)/.exec(line) ?? [];
    return name === undefined || version === undefined ? [] : [[name, version]];
  });
}

function read(text: string | undefined): Captured {
  try {
    const found = JSON.parse(text ?? '{}') as Captured | null;
    return typeof found === 'object' ? (found ?? {}) : {};
  } catch {
    return {};
  }
}

function counted(count: number | undefined, one: string): string {
  return count === undefined || count === 0 ? '' : plural(count, one);
}

function joined(by: string, ...parts: (string | undefined)[]): string {
  return parts.filter(Boolean).join(by);
}
