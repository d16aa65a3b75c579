/** Markdown that others wrote: no scripts, no requests, links open elsewhere. */
import DOMPurify from 'dompurify';
import { marked } from 'marked';
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

export function Markdown({ text }: { text: string }) {
  const html = useMemo(() => purifier.sanitize(marked.parse(text, { async: false }), { FORBID_TAGS: ['style', 'form', 'input', 'iframe'], FORBID_ATTR: ['style'] }), [text]);
  return <div dangerouslySetInnerHTML={{ __html: html }} />;
}
