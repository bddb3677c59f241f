/** Writes relabelling rules as the YAML that people know from Prometheus's configuration. */
import type { RelabelRule } from '../types';

export function rulesText(rules: RelabelRule[] | undefined): string {
  return (rules ?? []).map(ruleText).join('');
}

function ruleText(rule: RelabelRule): string {
  const pairs = Object.entries(rule);
  if (pairs.length === 0) {
    return '- {}\n';
  }
  return pairs.map(([key, value], index) => `${index === 0 ? '- ' : '  '}${scalar(key)}: ${written(value)}\n`).join('');
}

function written(value: unknown): string {
  if (Array.isArray(value)) {
    return `[${value.map(written).join(', ')}]`;
  }
  return typeof value === 'string' ? scalar(value) : JSON.stringify(value);
}

/** A text plain where YAML reads it back as the same text, quoted otherwise: JSON's quoting is YAML's. */
function scalar(text: string): string {
  const plain =
    /^[A-Za-z_][\w./-]*(\.\*)?$/.test(text) && !/^(true|false|null|yes|no|on|off|y|n|\.inf|\.nan)$/i.test(text);
  return plain ? text : JSON.stringify(text);
}
