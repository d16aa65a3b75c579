import hooks from 'eslint-plugin-react-hooks';
import ts from 'typescript-eslint';

/** Imports go one way: api and shared are below pages, pages below app; no page imports another. */
const above = {
  api: ['@/shared/*', '@/pages/*', '@/app/*'],
  shared: ['@/pages/*', '@/app/*'],
};
const pages = ['home', 'experiments', 'run', 'compare', 'models', 'features', 'lineage', 'audit', 'settings', 'sign-in'];
const restrict = (files, group, message) => ({
  files,
  rules: { 'no-restricted-imports': ['error', { patterns: [{ group, message }] }] },
});

export default ts.config(
  { ignores: ['node_modules', 'src/api/schema.d.ts', 'eslint.config.js'] },
  ...ts.configs.strictTypeChecked,
  { languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } } },
  hooks.configs.flat['recommended-latest'],
  {
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      'react-hooks/incompatible-library': 'off', // no compiler runs here
      'react-hooks/preserve-manual-memoization': 'off',
      'no-restricted-globals': ['error', { name: 'fetch', message: 'call the server through @/api/client' }],
      'max-lines': ['error', 500],
      eqeqeq: 'error',
    },
  },
  { files: ['src/api/**'], rules: { 'no-restricted-globals': 'off' } },
  restrict(['src/api/**'], above.api, 'api is the lowest layer'),
  restrict(['src/shared/**'], above.shared, 'shared is below pages and app'),
  ...pages.map((name) =>
    restrict(
      [`src/pages/${name}/**`],
      ['@/app/*', ...pages.filter((other) => other !== name).map((other) => `@/pages/${other}/*`)],
      'a page imports shared and api, never app or another page',
    ),
  ),
);
