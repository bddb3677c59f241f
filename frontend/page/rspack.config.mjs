/**
 * Bundles the page of `demo` and `serve` into `frontend/page/dist/`, from where the build of the
 * Rust crate `api` takes it into the binary. Nothing of Grafana and no framework is in it.
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { defineConfig } from '@rspack/cli';
import { rspack } from '@rspack/core';

const here = path.dirname(fileURLToPath(import.meta.url));
const uplot = path.resolve(here, '../node_modules/uplot');

export default defineConfig({
  mode: 'production',
  context: here,
  target: ['web', 'es2022'],
  entry: { page: './main.ts' },
  devtool: false,
  output: {
    path: path.join(here, 'dist'),
    clean: true,
    filename: '[name].js',
    cssFilename: '[name].css',
  },
  resolve: { extensions: ['.ts', '.js'] },
  module: {
    rules: [
      {
        test: /\.ts$/,
        loader: 'builtin:swc-loader',
        options: { jsc: { target: 'es2022', parser: { syntax: 'typescript' } } },
      },
      { test: /\.css$/, type: 'css' },
    ],
  },
  plugins: [
    new rspack.CopyRspackPlugin({
      patterns: [
        { from: 'index.html' },
        { from: path.resolve(here, '../src/img/logo.svg'), to: 'logo.svg' },
        {
          // What is distributed in the binary carries its licence there.
          from: path.join(uplot, 'LICENSE'),
          to: 'licences.txt',
          toType: 'file',
          transform: (licence) =>
            `Headwater is licensed under the Apache License 2.0.\n\nThis page draws with uPlot, which is licensed as follows.\n\n${licence.toString()}`,
        },
      ],
    }),
  ],
  performance: { hints: 'error', maxAssetSize: 200_000, maxEntrypointSize: 250_000 },
});
