/**
 * Bundles the frontend, and lays out all of the plugin's folder but the backend, in `frontend/dist/`.
 * `go run mage.go dist` puts that and the backend together in `dist/` at the root.
 *
 * Grafana loads `module.js` as an AMD module and hands it the packages that it shares. What is
 * shared is never bundled: a second React in the page would break hooks, a second rxjs would
 * break `instanceof`. `scripts/check_externals.mjs` holds the result to that.
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { defineConfig } from '@rspack/cli';
import { rspack } from '@rspack/core';

import { bundledDashboards, withDashboards } from './scripts/dashboards.mjs';
import { isShared } from './scripts/shared_packages.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '..');
const dashboards = bundledDashboards(path.join(root, 'provisioning/dashboards'));

/** Fails a production build that warns: what is passed over once is passed over for good. */
class WarningsAreErrors {
  apply(compiler) {
    compiler.hooks.done.tap('WarningsAreErrors', (stats) => {
      if (compiler.options.mode === 'production' && stats.hasWarnings()) {
        process.exitCode = 1;
      }
    });
  }
}

export default defineConfig((_env, { mode = 'production' }) => {
  const production = mode === 'production';
  return {
    mode,
    context: here,
    target: ['web', 'es2022'],
    entry: { module: './src/module.ts' },
    devtool: production ? 'source-map' : 'inline-source-map',
    output: {
      path: path.join(here, 'dist'),
      // With `--output-path ../dist` the backend's binary lies in the same folder and stays.
      clean: { keep: /^gpx_/ },
      filename: '[name].js',
      // Grafana caches a plugin's files; a part that changed must be asked for under a new name.
      chunkFilename: production ? '[name].js?_cache=[contenthash]' : '[name].js',
      library: { type: 'amd' },
      uniqueName: 'headwater-metrics-datasource',
      crossOriginLoading: 'anonymous',
    },
    resolve: { extensions: ['.ts', '.tsx', '.mjs', '.js'] },
    externalsType: 'amd',
    externals: [
      { 'amd-module': 'module' },
      ({ request }, callback) => (request && isShared(request) ? callback(undefined, request) : callback()),
    ],
    module: {
      rules: [
        {
          test: /\.tsx?$/,
          exclude: /node_modules/,
          loader: 'builtin:swc-loader',
          options: {
            jsc: {
              target: 'es2022',
              parser: { syntax: 'typescript', tsx: true },
              transform: { react: { runtime: 'automatic', development: false } },
            },
          },
        },
      ],
    },
    plugins: [
      new WarningsAreErrors(),
      new rspack.CopyRspackPlugin({
        patterns: [
          {
            from: path.join(root, 'plugin.json'),
            to: 'plugin.json',
            transform: (manifest) => withDashboards(JSON.parse(manifest.toString()), dashboards),
          },
          ...dashboards.map(({ file, path: to }) => ({ from: file, to })),
          { from: path.join(here, 'src/img'), to: 'img' },
          ...['README.md', 'LICENSE', 'CHANGELOG.md'].map((file) => ({
            from: path.join(root, file),
            to: file,
            toType: 'file',
            noErrorOnMissing: true,
          })),
        ],
      }),
    ],
    performance: {
      hints: 'warning',
      assetFilter: (file) => file.endsWith('.js'),
      // Bytes before compression; the figure that counts, gzip, is held by check_externals.mjs.
      maxAssetSize: 500_000,
      maxEntrypointSize: 500_000,
    },
  };
});
