/** Reads from a built script what is in it and what it asks for. */

/** The names of the npm packages whose files a source map lists, each once. */
export function bundledPackages(sourceMap) {
  const names = new Set();
  for (const source of sourceMap.sources) {
    // The bundler names an external `external amd "react"`: mentioned, not bundled.
    if (/(^|\/)external /.test(source)) {
      continue;
    }
    // The last folder counts: a package may carry another in its own node_modules.
    const inside = source.split('node_modules/').slice(1).at(-1);
    if (inside) {
      const [first, second] = inside.split('/');
      names.add(first.startsWith('@') ? `${first}/${second}` : first);
    }
  }
  return [...names].sort();
}

/** The modules that an AMD script asks its loader for: the list in `define([...], …)`. */
export function requestedModules(script) {
  const list = /(?:^|[;\s])define\(\s*(?:"[^"]*"\s*,\s*)?(\[[^\]]*\])/.exec(script)?.[1];
  return list ? JSON.parse(list.replaceAll("'", '"')) : [];
}
