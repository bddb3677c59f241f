import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { bundledDashboards, withDashboards } from './dashboards.mjs';

test('each dashboard of the folder is named in the manifest, and nothing else', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'headwater-dashboards-'));
  writeFileSync(path.join(folder, 'b.json'), '{"title": "B"}');
  writeFileSync(path.join(folder, 'a.json'), '{"title": "A"}');
  writeFileSync(path.join(folder, 'provider.yaml'), 'apiVersion: 1');
  const manifest = JSON.parse(withDashboards({ id: 'x' }, bundledDashboards(folder)));
  rmSync(folder, { recursive: true });
  expect(manifest).toEqual({
    id: 'x',
    includes: [
      { type: 'dashboard', name: 'A', path: 'dashboards/a.json' },
      { type: 'dashboard', name: 'B', path: 'dashboards/b.json' },
    ],
  });
});
