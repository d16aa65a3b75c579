/** Markdown that others wrote: no scripts, no requests, links open elsewhere. */
import DOMPurify from 'dompurify';
import { marked, type Token } from 'marked';
import { useMemo } from 'react';

const purifier = DOMPurify();
purifier.addHook('afterSanitizeAttributes', (node) => {
  if (node instanceof HTMLAnchorElement) {
    node.target = '_blank';
    node.rel = 'noreferrer noopener';
  }
  if (node.tagName === 'THEAD' && node.textContent.trim() === '') node.remove(); // a table of facts has no names of columns
  if (node instanceof HTMLImageElement && !node.src.startsWith('data:')) node.remove();
});

/** A text stands in a panel of a page: its first heading comes below those of both. */
function lower(token: Token): void {
  if (token.type === 'heading') (token as { depth: number }).depth = Math.min(6, (token as { depth: number }).depth + 2);
}

export function Markdown({ text }: { text: string }) {
  const html = useMemo(() => purifier.sanitize(marked.parse(text, { async: false, walkTokens: lower }), { FORBID_TAGS: ['style', 'form', 'input', 'iframe', 'h1', 'h2'], FORBID_ATTR: ['style'] }), [text]);
  return <div dangerouslySetInnerHTML={{ __html: html }} />;
}
