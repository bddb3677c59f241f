/**
 * A variable's query: what kind it is, and its parts. The text is what is saved and sent, in the
 * language of Grafana's Prometheus data source; the parts are read from it and written to it.
 */

export type VariableKind = 'label_names' | 'label_values' | 'metrics' | 'query_result' | 'series' | 'classic';

export interface VariableParts {
  kind: VariableKind;
  /** The label whose values are wanted. */
  label: string;
  /** The selector that restricts them; of kind series, the selector itself. */
  selector: string;
  /** The regular expression of names; of kind query_result, the expression; of kind classic, all of the text. */
  text: string;
}

/** How Grafana's Prometheus data source numbers the kinds in saved dashboards. */
const NUMBERS: VariableKind[] = ['label_names', 'label_values', 'metrics', 'query_result', 'series', 'classic'];

/** What a dashboard holds: plain text in old ones, an object in newer ones. */
export type SavedVariable = string | { query?: string; qryType?: number; refId?: string };

export interface VariableModel {
  refId: string;
  query: string;
  qryType?: number;
}

export function textOf(saved: SavedVariable | undefined): string {
  return (typeof saved === 'string' ? saved : saved?.query) ?? '';
}

/** The parts to show. A text that someone keeps as classic stays so, whatever it could be read as. */
export function partsOf(saved: SavedVariable | undefined): VariableParts {
  const text = textOf(saved);
  const chosen = typeof saved === 'object' ? NUMBERS[saved.qryType ?? -1] : undefined;
  if (chosen === 'classic') {
    return { kind: 'classic', label: '', selector: '', text };
  }
  const read = readParts(text);
  // An empty text is of the kind that was chosen last.
  return text.trim() === '' && chosen ? { ...read, kind: chosen } : read;
}

export function modelOf(parts: VariableParts): VariableModel {
  return { refId: 'variable', qryType: NUMBERS.indexOf(parts.kind), query: writeParts(parts) };
}

export function readParts(query: string): VariableParts {
  const text = query.trim();
  const nothing = { label: '', selector: '', text: '' };
  const inside = (name: string) => {
    const call = new RegExp(`^${name}\\(([\\s\\S]*)\\)$`).exec(text);
    return call ? (call[1] ?? '').trim() : undefined;
  };
  const names = inside('label_names');
  if (names !== undefined) {
    return { ...nothing, kind: 'label_names', text: names };
  }
  const values = inside('label_values');
  if (values !== undefined) {
    // A selector may hold commas, a label's name does not.
    const comma = values.lastIndexOf(',');
    const label = values.slice(comma + 1).trim();
    return { ...nothing, kind: 'label_values', label, selector: comma < 0 ? '' : values.slice(0, comma).trim() };
  }
  const pattern = inside('metrics');
  if (pattern !== undefined) {
    return { ...nothing, kind: 'metrics', text: pattern };
  }
  const expr = inside('query_result');
  if (expr !== undefined) {
    return { ...nothing, kind: 'query_result', text: expr };
  }
  return text === '' ? { ...nothing, kind: 'label_values' } : { ...nothing, kind: 'series', selector: text };
}

export function writeParts({ kind, label, selector, text }: VariableParts): string {
  switch (kind) {
    case 'label_names':
      return `label_names(${text})`;
    case 'label_values':
      return label === '' ? '' : selector === '' ? `label_values(${label})` : `label_values(${selector}, ${label})`;
    case 'metrics':
      return text === '' ? '' : `metrics(${text})`;
    case 'query_result':
      return text === '' ? '' : `query_result(${text})`;
    case 'series':
      return selector;
    case 'classic':
      return text;
  }
}

/** Whether variables in the text stand for patterns of names, and not for parts of PromQL. */
export function isPattern(query: string): boolean {
  return /^\s*(metrics|label_names)\(/.test(query);
}
