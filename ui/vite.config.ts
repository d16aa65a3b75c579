import react from '@vitejs/plugin-react';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { compress } from './build/compress.ts';
import { preload } from './build/preload.ts';

const server = process.env['HEADRACE_SERVER'] ?? 'http://127.0.0.1:5000';

const pages = {
  '/': 'src/pages/home/home.tsx',
  '/experiments': 'src/pages/experiments/list.tsx',
  '/experiments/': 'src/pages/experiments/experiment.tsx',
  '/runs/': 'src/pages/run/run.tsx',
  '/compare': 'src/pages/compare/compare.tsx',
  '/models': 'src/pages/models/board.tsx',
};

export default defineConfig({
  plugins: [react(), compress(), preload(pages, '__HEADRACE_NONCE__')],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    outDir: '../src/headrace/server/static',
    emptyOutDir: true,
    target: 'es2022',
    manifest: 'manifest.json',
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
  },
  server: { proxy: { '/api': { target: server, changeOrigin: true } } },
  test: { environment: 'happy-dom', include: ['src/**/*.test.{ts,tsx}', 'build/**/*.test.ts'], restoreMocks: true },
});
