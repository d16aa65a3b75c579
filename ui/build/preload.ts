/** Has the browser ask at once for what the page at its address is made of and shows, rather than once the app runs and asks for it. */
import { join } from 'node:path';
import { rolldown, type OutputBundle, type OutputChunk } from 'rolldown';
import type { Plugin } from 'vite';

/** Where index.html has it: before the styles, for a script that follows them waits until they are here. */
const PLACE = '<!-- begin -->';

/** The beginning of an address to the modules of its page, in the order of need; the longest that fits counts. */
export type Pages = Readonly<Record<string, readonly string[]>>;

/** The files of modules, with all that they import and their styles. */
function filesOf(bundle: OutputBundle, sources: readonly string[]): string[] {
  const chunks = new Map(Object.values(bundle).flatMap((item) => (item.type === 'chunk' ? [[item.fileName, item] as const] : [])));
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
  for (const source of sources) {
    const first = [...chunks.values()].find((chunk) => chunk.moduleIds.some((id) => id.endsWith(`/${source}`)));
    if (first === undefined) throw new Error(`no chunk holds ${source}`);
    walk(first);
  }
  return [...found];
}

/** A module and what it imports as text, to stand in the page itself. */
async function textOf(source: string, root: string): Promise<string> {
  const build = await rolldown({ input: join(root, source), resolve: { alias: { '@': join(root, 'src') } } });
  const { output } = await build.generate({ format: 'iife', minify: true });
  await build.close();
  return output[0].code.trim();
}

export function preload(pages: Pages, first: string, nonce: string): Plugin {
  let root = '';
  return {
    name: 'headrace-preload',
    configResolved(config) {
      root = config.root;
    },
    transformIndexHtml: {
      order: 'post',
      handler: async (html, { bundle }) => {
        if (bundle === undefined) return html.replace(PLACE, '');
        const own = new Set([...html.matchAll(/(?:href|src)="\/([^"]+)"/g)].map((found) => found[1]));
        const of = Object.fromEntries(Object.entries(pages).map(([start, sources]) => [start, filesOf(bundle, sources).filter((file) => !own.has(file))]));
        const code = `{const pages=${JSON.stringify(of)},at=location.pathname;
let own='';for(const start in pages)if((start==='/'?at==='/':at.startsWith(start))&&start.length>own.length)own=start;
for(const file of pages[own]??[]){const link=document.createElement('link');if(file.endsWith('.css')){link.rel='preload';link.as='style';link.crossOrigin=''}else link.rel='modulepreload';link.href='/'+file;document.head.append(link)}}`;
        const script = `<script nonce="${nonce}">${await textOf(first, root)}\n${code}</script>`;
        if (!html.includes(PLACE) || script.slice(8, -9).includes('</script')) throw new Error(`index.html has no ${PLACE}, or what goes there ends too early`);
        const font = Object.keys(bundle).find((file) => /inter-latin-wght-normal.*\.woff2$/.test(file));
        return {
          html: html.replace(PLACE, () => script),
          tags: font === undefined ? [] : [{ tag: 'link', attrs: { rel: 'preload', href: `/${font}`, as: 'font', type: 'font/woff2', crossorigin: true }, injectTo: 'head' }],
        };
      },
    },
  };
}
