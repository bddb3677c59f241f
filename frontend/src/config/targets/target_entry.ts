/** An entry of `targets`: what it stands for, and changes to it. */
import { t } from '../../translate';
import type { TargetOptions } from '../../types';
import type { Settings } from '../settings';

/** How an entry finds its pages. */
export type Finding = 'url' | 'dns' | 'file' | 'other';

/** The entry as an object: a bare address is one with nothing but an address. */
export function asTarget(entry: string | TargetOptions): TargetOptions {
  return typeof entry === 'string' ? { url: entry } : entry;
}

export function findingOf(target: TargetOptions): Finding {
  if (target.dns) {
    return 'dns';
  }
  if (target.file) {
    return 'file';
  }
  // Entries pasted from a Prometheus configuration are shown as they are.
  const foreign = [
    'staticConfigs',
    'static_configs',
    'dnsSdConfigs',
    'dns_sd_configs',
    'fileSdConfigs',
    'file_sd_configs',
  ];
  return foreign.some((key) => key in target) ? 'other' : 'url';
}

/** The entry with other keys; those without a value are taken out. */
export function withKeys(target: TargetOptions, change: Partial<TargetOptions>): TargetOptions {
  return Object.fromEntries(
    Object.entries({ ...target, ...change }).filter(([, value]) => value !== undefined && value !== '')
  );
}

/** The same target found in another way; what only the old way needs is taken out. */
export function foundBy(target: TargetOptions, finding: Finding): TargetOptions {
  const { url: _url, urls: _urls, dns: _dns, file: _file, ...rest } = target;
  switch (finding) {
    case 'dns':
      return { ...rest, dns: { names: [], type: 'A' } };
    case 'file':
      return { ...rest, file: { paths: [] } };
    default:
      return { ...rest, url: '' };
  }
}

/** What an entry is called in the list. */
export function titleOf(target: TargetOptions): string {
  const { url, urls, dns, file, job } = target;
  return job || url || urls?.join(', ') || dns?.names?.join(', ') || file?.paths?.join(', ') || '';
}

/** The names of secrets that the entry refers to. */
export function secretsOf(target: TargetOptions): string[] {
  const names = [target.basicAuth?.passwordSecret, target.bearerTokenSecret, target.tls?.keySecret];
  return names.filter((name): name is string => Boolean(name));
}

/** The first name of the form `target3Password` that no secret has yet. */
export function freeSecretName({ jsonData, secureJsonFields, secureJsonData }: Settings, ending: string): string {
  const taken = new Set([
    ...Object.keys(secureJsonFields ?? {}),
    ...Object.keys(secureJsonData ?? {}),
    ...(jsonData.targets ?? []).map(asTarget).flatMap(secretsOf),
  ]);
  let number = 1;
  while (taken.has(`target${number}${ending}`)) {
    number += 1;
  }
  return `target${number}${ending}`;
}

/** Reads `name=value` pairs with commas between them. */
export function readLabels(text: string): Record<string, string> | undefined {
  const pairs = text
    .split(',')
    .map((pair) => pair.split('='))
    .map(([name = '', ...value]) => [name.trim(), value.join('=').trim()] as const)
    .filter(([name]) => name !== '');
  return pairs.length > 0 ? Object.fromEntries(pairs) : undefined;
}

export function labelsText(labels: Record<string, string> | undefined): string {
  return Object.entries(labels ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');
}

/** What is wrong with a text of labels. */
export function labelsProblem(text: string): string | undefined {
  const wrong = text
    .split(',')
    .map((pair) => pair.trim())
    .find((pair) => pair !== '' && !/^[A-Za-z_][A-Za-z0-9_]*\s*=/.test(pair));
  return wrong === undefined
    ? undefined
    : t('config.target.labels-problem', '“{{wrong}}” is no label: write team=shop, env=test', { wrong });
}
