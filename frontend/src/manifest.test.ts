/** plugin.json is the only copy, and other files repeat three facts of it: the version, the id, the logos. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

import packageJson from '../package.json';
import plugin from '../../plugin.json';

const root = path.resolve(__dirname, '../..');

test('the version is one in plugin.json, package.json and Cargo.toml', () => {
  const cargo = readFileSync(path.join(root, 'Cargo.toml'), 'utf8');
  const workspaceVersion = /\[workspace\.package\][^[]*?\nversion = "([^"]+)"/.exec(cargo)?.[1];
  expect(plugin.info.version).toBe(workspaceVersion);
  expect(packageJson.version).toBe(workspaceVersion);
});

test('the package is named as the plugin', () => {
  expect(packageJson.name).toBe(plugin.id);
});

test('what the manifest shows is there', () => {
  const { logos, screenshots } = plugin.info;
  for (const file of [logos.small, logos.large, ...screenshots.map((shot: { path: string }) => shot.path)]) {
    expect([file, existsSync(path.join(__dirname, file))]).toEqual([file, true]);
  }
});

test('the manifest offers what the backend does', () => {
  expect(plugin).toMatchObject({
    type: 'datasource',
    backend: true,
    executable: 'gpx_headwater',
    alerting: true,
    annotations: true,
    metrics: true,
    streaming: true,
  });
  expect(plugin.name).not.toBe(plugin.id);
});
