import grafana from '@grafana/eslint-config';
import i18n from '@grafana/i18n/eslint-plugin';
import { defineConfig } from 'eslint/config';

// Two words in a row are a text, unless a style or a query is written so.
const WORDS = '/^(?![.&])(?![^]*(px solid| by \\())[^]*[a-zé’]{2,} [a-z]{2,}/';
const TEXT_ATTRIBUTES = '/^(label|title|description|tooltip|aria-label|text|foot)$/';
const RAW_TEXTS = [
  'JSXText[value=/[A-Za-z]{2,}/]',
  `JSXAttribute[name.name=${TEXT_ATTRIBUTES}] > Literal[value=/[a-z]{2,}/]`,
  'JSXOpeningElement[name.name="Named"] > JSXAttribute[name.name="name"] > Literal',
  `:not(CallExpression[callee.name="t"]) > Literal[value=${WORDS}]`,
  `TemplateElement[value.raw=${WORDS}]`,
];

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
    // What people read in the editors stands behind t(), so that it can be translated. The fallbacks
    // of lazy_editors.tsx are shown while translations are loaded, and have none.
    files: ['src/{annotations,browser,config,editor,help,variables}/**/*.{ts,tsx}', 'src/promql/*.ts'],
    ignores: ['src/**/*.test.{ts,tsx}'],
    plugins: { '@grafana/i18n': i18n },
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: [
            { name: '@grafana/i18n', importNames: ['t'], message: 'It writes values as HTML: use translate.ts.' },
          ],
        },
      ],
      // Translations are loaded after a module's own lines have run.
      '@grafana/i18n/no-translation-top-level': 'error',
      'no-restricted-syntax': [
        'error',
        ...RAW_TEXTS.map((selector) => ({ selector, message: 'A text that people read: put it behind t().' })),
      ],
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
