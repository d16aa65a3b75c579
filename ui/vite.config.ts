import react from '@vitejs/plugin-react';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { compress } from './build/compress.ts';
import { preload } from './build/preload.ts';

const server = process.env['HEADRACE_SERVER'] ?? 'http://127.0.0.1:5000';

const pages = {
  '/': ['src/pages/home/home.tsx'],
  '/experiments': ['src/pages/experiments/list.tsx'],
  '/experiments/': ['src/pages/experiments/experiment.tsx', 'src/shared/charts/charts.tsx'],
  '/runs/': ['src/pages/run/run.tsx'],
  '/compare': ['src/pages/compare/compare.tsx'],
  '/models': ['src/pages/models/board.tsx'],
};

const packages = (...names: string[]) => `node_modules/(${names.join('|')})/`;
const sources = (...names: string[]) => `ui/src/(${names.join('|')})\\.tsx?$`;
const needed = (...parts: string[]) => new RegExp(parts.join('|').replaceAll('/', String.raw`[\\/]`));

/** What is needed together comes in one file: on the way to the first row each file costs a few milliseconds. */
const groups = [
  {
    name: 'base',
    test: needed(
      packages('react', 'react-dom', 'scheduler', 'use-[\\w-]+', '@tanstack/(?!(react-)?table)[\\w-]+', '@?radix-ui', '@floating-ui', 'aria-hidden', 'react-(remove-scroll|style)[\\w-]*', 'get-nonce', 'tslib'),
      sources('api/(accounts|client|curves|live|queries|release|request|search)', 'shared/(keys|search|chart/(theme|hover|palette)|charts/chart-search)', 'shared/ui/(controls|feedback|format|icon|marks|overlays|toasts)'),
    ),
  },
  { name: 'charts', test: needed(packages('uplot'), sources('shared/chart/(?!theme|hover|palette)[\\w-]+', 'shared/charts/(?!chart-search)[\\w-]+')) },
];

export default defineConfig({
  plugins: [react(), compress(), preload(pages, 'src/app/begin.ts', '__HEADRACE_NONCE__')],
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
    rolldownOptions: { output: { codeSplitting: { groups } } },
  },
  server: { proxy: { '/api': { target: server, changeOrigin: true } } },
  test: { environment: 'happy-dom', include: ['src/**/*.test.{ts,tsx}', 'build/**/*.test.ts'], restoreMocks: true },
});
