/**
 * The packages that Grafana (12.3 and later) hands to a plugin while it runs.
 *
 * The bundler leaves them out, and the check refuses a bundle that holds one of them.
 * Source: Grafana's `sharedDependencies.ts`; of that list, what this plugin may come to use.
 */
const SHARED = new Set([
  '@emotion/css',
  '@emotion/react',
  '@grafana/data',
  '@grafana/data/unstable',
  '@grafana/runtime',
  '@grafana/runtime/unstable',
  '@grafana/ui',
  '@grafana/ui/unstable',
  'i18next',
  'lodash',
  'moment',
  'react',
  'react-dom',
  'react-inlinesvg',
  'react-router',
  'react-router-dom',
  'react/jsx-runtime',
  'rxjs',
  'rxjs/operators',
]);

/** Packages of which no file at all may be in the bundle, shared entry or not. */
export const NEVER_BUNDLED = [
  '@emotion/css',
  '@emotion/react',
  '@grafana/data',
  '@grafana/runtime',
  '@grafana/schema',
  '@grafana/ui',
  'i18next',
  'lodash',
  'moment',
  'react',
  'react-dom',
  'react-router',
  'react-router-dom',
  'rxjs',
];

/** Whether Grafana provides the module of this name. */
export function isShared(request) {
  return SHARED.has(request);
}
