/** Tells the browser at once what the page at its address is made of, rather than once the app runs and asks for it. */
import type { OutputBundle, OutputChunk } from 'rolldown';
import type { Plugin } from 'vite';

/** The beginning of an address to the module of its page; the longest that fits counts. */
export type Pages = Readonly<Record<string, string>>;

/** A module's file, with all that it imports and their styles. */
function filesOf(bundle: OutputBundle, source: string): string[] {
  const chunks = new Map(Object.values(bundle).flatMap((item) => (item.type === 'chunk' ? [[item.fileName, item] as const] : [])));
  const first = [...chunks.values()].find((chunk) => chunk.facadeModuleId?.endsWith(`/${source}`) === true);
  if (first === undefined) throw new Error(`no chunk is made of ${source}`);
  const found = new Set<string>();
  const walk = (chunk: OutputChunk) => {
    if (found.has(chunk.fileName)) return;
    found.add(chunk.fileName);
    const { viteMetadata } = chunk as { viteMetadata?: { importedCss: Set<string> } };
    for (const css of viteMetadata?.importedCss ?? []) found.add(css);
    for (const name of chunk.imports) {
      const next = chunks.get(name);
      if (next !== undefined) walk(next);
    }
  };
  walk(first);
  return [...found];
}

export function preload(pages: Pages, nonce: string): Plugin {
  return {
    name: 'headrace-preload',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler: (html, { bundle }) => {
        if (bundle === undefined) return html;
        const own = new Set([...html.matchAll(/(?:href|src)="\/([^"]+)"/g)].map((found) => found[1]));
        const of = Object.fromEntries(Object.entries(pages).map(([start, source]) => [start, filesOf(bundle, source).filter((file) => !own.has(file))]));
        const font = Object.keys(bundle).find((file) => /inter-latin-wght-normal.*\.woff2$/.test(file));
        const code = `const pages=${JSON.stringify(of)},at=location.pathname;
let own='';for(const start in pages)if((start==='/'?at==='/':at.startsWith(start))&&start.length>own.length)own=start;
for(const file of pages[own]??[]){const link=document.createElement('link');if(file.endsWith('.css')){link.rel='preload';link.as='style'}else link.rel='modulepreload';link.href='/'+file;document.head.append(link)}`;
        return {
          html,
          tags: [
            ...(font === undefined ? [] : [{ tag: 'link', attrs: { rel: 'preload', href: `/${font}`, as: 'font', type: 'font/woff2', crossorigin: true }, injectTo: 'head' as const }]),
            { tag: 'script', attrs: { nonce }, children: `{${code}}`, injectTo: 'head' as const },
          ],
        };
      },
    },
  };
}
