/**
 * Fails when the production bundle holds a package that Grafana shares, asks for one that Grafana
 * does not provide, or is larger than it may be. Prints the sizes.
 *
 *   node scripts/check_externals.mjs [folder, frontend/dist by default]
 */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { bundledPackages, requestedModules } from './bundle_facts.mjs';
import { isShared, NEVER_BUNDLED } from './shared_packages.mjs';

/** What a viewer of a dashboard may have to download, in bytes of gzip. */
const MODULE_GZIP_LIMIT = 120 * 1024;

const here = path.dirname(fileURLToPath(import.meta.url));
const dist = path.resolve(process.argv[2] ?? path.join(here, '../dist'));

const problems = [];
const scripts = readdirSync(dist).filter((file) => file.endsWith('.js'));
if (!scripts.includes('module.js')) {
  problems.push(`${dist}: no module.js; run "npm run build" first`);
}

for (const file of scripts) {
  const script = readFileSync(path.join(dist, file), 'utf8');
  const compressed = gzipSync(script, { level: 9 }).length;
  console.log(`${file}: ${script.length} bytes, ${compressed} bytes gzip`);
  if (file === 'module.js' && compressed > MODULE_GZIP_LIMIT) {
    problems.push(`module.js: ${compressed} bytes gzip, at most ${MODULE_GZIP_LIMIT} may be loaded at once`);
  }

  let sourceMap;
  try {
    sourceMap = JSON.parse(readFileSync(path.join(dist, `${file}.map`), 'utf8'));
  } catch (error) {
    problems.push(`${file}: its source map cannot be read, so its content is unknown (${error.message})`);
    continue;
  }
  for (const name of bundledPackages(sourceMap)) {
    if (NEVER_BUNDLED.includes(name)) {
      problems.push(`${file}: bundles ${name}, which Grafana provides`);
    } else {
      console.log(`  bundles ${name}`);
    }
  }
  for (const request of requestedModules(script)) {
    if (request !== 'module' && !isShared(request)) {
      problems.push(`${file}: asks Grafana for ${request}, which Grafana does not provide`);
    }
  }
}

for (const problem of problems) {
  console.error(problem);
}
process.exitCode = problems.length > 0 ? 1 : 0;
