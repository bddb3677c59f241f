import { bundledPackages, requestedModules } from './bundle_facts.mjs';

test('a package whose files are in the bundle is named once', () => {
  const sources = [
    'webpack://x/./src/module.ts',
    'webpack://x/./node_modules/@lezer/lr/dist/index.js',
    'webpack://x/./node_modules/@lezer/lr/dist/token.js',
    'webpack://x/./node_modules/react/index.js',
  ];
  expect(bundledPackages({ sources })).toEqual(['@lezer/lr', 'react']);
});

test('a package inside another package’s folder is named itself', () => {
  const sources = ['webpack://x/../node_modules/a/node_modules/rxjs/index.js'];
  expect(bundledPackages({ sources })).toEqual(['rxjs']);
});

test('a module that stays outside is not in the bundle', () => {
  const sources = ['webpack://x/external amd "react"', 'webpack://x/external amd "@grafana/ui"'];
  expect(bundledPackages({ sources })).toEqual([]);
});

test('the modules that are asked for are read from the AMD call, minified or not', () => {
  expect(requestedModules('define(["react","@grafana/ui"],function(a,b){})')).toEqual(['react', '@grafana/ui']);
  expect(requestedModules('/*! x */\ndefine("name", [\'react\'], (a) => {})')).toEqual(['react']);
});

test('a part of the bundle asks for nothing by itself', () => {
  expect(requestedModules('"use strict";(globalThis.chunk=[]).push([[1],{}])')).toEqual([]);
});
