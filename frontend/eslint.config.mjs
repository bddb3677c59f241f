import grafana from '@grafana/eslint-config';
import { defineConfig } from 'eslint/config';

export default defineConfig([
  {
    ignores: ['node_modules/', 'dist/', 'page/dist/', 'coverage/', 'artifacts/', 'playwright-report/', 'test-results/'],
  },
  ...grafana,
  {
    rules: {
      // TypeScript checks what a component is given.
      'react/prop-types': 'off',
      // The automatic JSX runtime brings its own import.
      'react/react-in-jsx-scope': 'off',
    },
  },
  {
    files: ['src/**/*.{ts,tsx}'],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-deprecated': 'error',
      // The catalogue refuses plugins that reach for the page around them.
      'no-restricted-globals': ['error', 'window', 'document', 'alert', 'confirm', 'prompt', 'localStorage'],
    },
  },
  {
    files: ['src/**/*.test.{ts,tsx}'],
    rules: { 'no-restricted-globals': 'off' },
  },
  {
    files: ['page/**/*.ts'],
    rules: {
      // What strangers name is text, and never HTML.
      'no-restricted-properties': [
        'error',
        ...['innerHTML', 'outerHTML', 'insertAdjacentHTML', 'srcdoc'].map((property) => ({ property })),
      ],
    },
  },
  {
    // Playwright's `use` is no React hook.
    files: ['e2e/**/*.ts', 'page/e2e/**/*.ts'],
    rules: { 'react-hooks/rules-of-hooks': 'off' },
  },
]);
