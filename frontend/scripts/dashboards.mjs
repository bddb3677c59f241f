/**
 * The dashboards that the plugin brings along: those that are provisioned, which Grafana also
 * offers to import on a data source's page once plugin.json names them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Every dashboard in the folder: its file, its title, and its path in the plugin's folder. */
export function bundledDashboards(folder) {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => {
      const file = path.join(folder, name);
      const { title } = JSON.parse(readFileSync(file, 'utf8'));
      return { file, title, path: `dashboards/${name}` };
    });
}

/** The plugin's manifest as text, with the dashboards among what it includes. */
export function withDashboards(manifest, dashboards) {
  const includes = dashboards.map(({ title, path: place }) => ({ type: 'dashboard', name: title, path: place }));
  return `${JSON.stringify({ ...manifest, includes: [...(manifest.includes ?? []), ...includes] }, null, 2)}\n`;
}
