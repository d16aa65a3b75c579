/** The search grammar as far as typing needs it: tokens, what may follow, and where the server found a fault. */

export interface Token {
  kind: 'key' | 'operator' | 'text' | 'number' | 'word' | 'mark';
  text: string;
  start: number;
  end: number;
}

const TOKEN =
  /(?<key>(?:metrics?|params?|parameters?|tags?|attributes?|attr|run|datasets?)\s*\.\s*(?:`[^`]*`?|"[^"]*"?|[\w./:-]*))|(?<text>'[^']*'?|"[^"]*"?)|(?<operator>!=|<>|==|>=|<=|=|<|>)|(?<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))|(?<word>[\w.][\w./:-]*)|(?<mark>\S)/g;

export function tokens(text: string): Token[] {
  return [...text.matchAll(TOKEN)].map((match) => {
    const [kind] = Object.entries((match.groups ?? {}) as Record<string, string | undefined>).find(([, value]) => value !== undefined) ?? ['mark'];
    return { kind: kind as Token['kind'], text: match[0], start: match.index, end: match.index + match[0].length };
  });
}

export interface Vocabulary {
  metrics: readonly string[];
  params: readonly string[];
  tags: readonly string[];
  /** Values that are known of a key, `params.depth`. */
  values?: (key: string) => readonly string[];
}

export interface Suggestion {
  text: string;
  hint: string;
}

export interface Completion {
  start: number;
  end: number;
  suggestions: Suggestion[];
}

const ATTRIBUTES = ['status', 'run_name', 'user_id', 'start_time', 'end_time', 'run_id'];
const STATUSES = ["'RUNNING'", "'FINISHED'", "'FAILED'", "'KILLED'", "'SCHEDULED'"];
const MOST = 60;

function bare(text: string): string {
  return text.toLowerCase().replaceAll('`', '');
}

function plainKey(key: string): string {
  return /^[\w./:-]+$/.test(key) && /^[\w]+$/.test(key[0] ?? '') ? key : `\`${key}\``;
}

function keysOf({ metrics, params, tags }: Vocabulary): Suggestion[] {
  return [
    ...metrics.map((key) => ({ text: `metrics.${plainKey(key)}`, hint: 'metric' })),
    ...params.map((key) => ({ text: `params.${plainKey(key)}`, hint: 'param' })),
    ...ATTRIBUTES.map((key) => ({ text: key, hint: 'attribute' })),
    ...tags.map((key) => ({ text: `tags.${plainKey(key)}`, hint: 'tag' })),
  ];
}

function isKey(token: Token | undefined): boolean {
  return token !== undefined && (token.kind === 'key' || (token.kind === 'word' && ATTRIBUTES.includes(token.text)));
}

function operatorsFor(key: string): Suggestion[] {
  const numeric = key.startsWith('metric') || key.endsWith('_time');
  const list = numeric ? ['>', '>=', '<', '<=', '=', '!='] : ['=', '!=', 'LIKE', 'ILIKE', ...(key.startsWith('param') || key.startsWith('tag') ? ['IS NULL', 'IS NOT NULL'] : [])];
  return list.map((text) => ({ text, hint: '' }));
}

/** What may be typed at a place: keys, operators of a key, values, AND. */
export function complete(text: string, at: number, vocabulary: Vocabulary): Completion {
  const all = tokens(text);
  const under = all.find((token) => token.start < at && at <= token.end);
  const before = all.filter((token) => token.end <= (under?.start ?? at));
  const last = before.at(-1);
  const place = { start: under?.start ?? at, end: under?.end ?? at };
  const typed = bare(text.slice(place.start, at));
  const fits = (list: Suggestion[], exact = false) => {
    const found = list.filter((item) => item.text !== under?.text && (exact ? bare(item.text).startsWith(typed) : bare(item.text).includes(typed)));
    return { ...place, suggestions: found.sort((a, b) => Number(bare(b.text).startsWith(typed)) - Number(bare(a.text).startsWith(typed))).slice(0, MOST) };
  };
  if (last === undefined || last.text.toUpperCase() === 'AND') return fits(keysOf(vocabulary));
  if (isKey(last)) return fits(operatorsFor(last.text), under?.kind === 'word');
  const key = before.at(-2);
  if (isKey(key) && (last.kind === 'operator' || /^I?LIKE$/i.test(last.text))) {
    if (key?.text === 'status') return fits(STATUSES.map((value) => ({ text: value, hint: '' })));
    return fits((vocabulary.values?.(key?.text ?? '') ?? []).map((value) => ({ text: `'${value}'`, hint: '' })));
  }
  return fits([{ text: 'AND', hint: '' }], true);
}

export interface Fault {
  start: number;
  end: number;
  message: string;
}

/** Where the server marks a fault: its message ends with the text and a row of ^ below the token. */
export function faultIn(text: string, message: string): Fault | null {
  const lines = message.split('\n');
  const marks = lines.at(-1) ?? '';
  const shown = lines.at(-2) ?? '';
  if (!/^ *\^+$/.test(marks) || lines.length < 3) return null;
  const line = shown.slice(2);
  const from = Math.max(0, text.replaceAll(/[\n\t]/g, ' ').indexOf(line));
  const start = from + marks.indexOf('^') - 2;
  const width = marks.trim().length;
  return { start: Math.min(start, text.length), end: Math.min(Math.max(start + width, start + 1), Math.max(text.length, start + 1)), message: lines.slice(0, -2).join(' ') };
}
