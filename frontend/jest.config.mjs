/** Tests run in UTC, in jsdom, on sources that swc has stripped of types. */
process.env.TZ = 'UTC';

// Packages that ship only ES modules, which Jest's CommonJS loader cannot read as they are.
const ES_MODULES = [
  '@prometheus-io',
  '@lezer',
  '@grafana/schema',
  '@grafana/react-data-grid',
  '@wojtekmaj/date-utils',
  'd3',
  'd3-color',
  'd3-force',
  'd3-interpolate',
  'd3-scale-chromatic',
  'get-user-locale',
  'marked',
  'memoize',
  'mimic-function',
  'ol',
  'react-calendar',
  'react-colorful',
  'react-data-grid',
  'rxjs',
  'uuid',
];

export default {
  // A machine with other work takes its time; nothing here waits for a clock.
  testTimeout: 60_000,
  testEnvironment: 'jest-environment-jsdom',
  testMatch: ['<rootDir>/src/**/*.test.{ts,tsx}', '<rootDir>/page/**/*.test.ts', '<rootDir>/scripts/**/*.test.ts'],
  setupFilesAfterEnv: ['<rootDir>/jest.setup.ts'],
  moduleNameMapper: {
    '\\.css$': '<rootDir>/testing/stylesheet.cjs',
    '^react-inlinesvg$': '<rootDir>/testing/InlineSvg.tsx',
  },
  transform: {
    '^.+\\.(t|j|mj)sx?$': [
      '@swc/jest',
      {
        sourceMaps: 'inline',
        jsc: {
          parser: { syntax: 'typescript', tsx: true },
          transform: { react: { runtime: 'automatic' } },
          target: 'es2022',
        },
        module: { type: 'commonjs' },
      },
    ],
  },
  transformIgnorePatterns: [`node_modules/(?!.*(${ES_MODULES.join('|')})/.*)`],
  // Lint and types have their own commands; a test run reads nothing that was built.
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/../dist', '<rootDir>/e2e'],
};
