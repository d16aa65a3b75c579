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

export interface Suggestion {
  text: string;
  hint: string;
}

/** What may stand in place of a part of a text. */
export interface Completion {
  /** The text that it was asked for, and the caret in it. */
  text: string;
  at: number;
  start: number;
  end: number;
  suggestions: Suggestion[];
}

function bare(text: string): string {
  return text.toLowerCase().replaceAll('`', '');
}

/** The end of the token that the caret is in: what is chosen replaces all of it. */
export function tokenEnd(text: string, start: number, at: number): number {
  return tokens(text).find((token) => token.start <= start && start < token.end && at <= token.end)?.end ?? at;
}

/** What is left of a completion once the token was typed on; null where something else was done to the text. Until the server has said more. */
export function narrowed(completion: Completion, text: string, at: number): Completion | null {
  const { start, end } = completion;
  const grown = text.length - completion.text.length;
  if (at < start || end + grown < at || text.slice(0, start) !== completion.text.slice(0, start) || text.slice(end + grown) !== completion.text.slice(end)) return null;
  const typed = bare(text.slice(start, at));
  const suggestions = completion.suggestions.filter((item) => bare(item.text).includes(typed) && item.text !== text.slice(start, end + grown));
  return suggestions.length === 0 ? null : { text, at, start, end: end + grown, suggestions };
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
