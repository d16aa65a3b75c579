/** Writes a .br and a .gz beside each built file that shrinks: the server sends bytes, it never compresses. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

const SHRINKS = /\.(css|js|svg)$/;

export function compress(): Plugin {
  let folder = '';
  return {
    name: 'headrace-compress',
    apply: 'build',
    configResolved(config) {
      folder = join(config.root, config.build.outDir, config.build.assetsDir);
    },
    closeBundle() {
      for (const name of readdirSync(folder).filter((file) => SHRINKS.test(file))) {
        const plain = readFileSync(join(folder, name));
        const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 10 } };
        for (const [suffix, bytes] of [
          ['.br', brotliCompressSync(plain, quality)],
          ['.gz', gzipSync(plain, { level: 9 })],
        ] as const) {
          if (bytes.length < plain.length) writeFileSync(join(folder, name + suffix), bytes);
        }
      }
    },
  };
}
