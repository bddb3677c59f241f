/** A query as the builder holds it, and the PromQL that it stands for. */
import { escapeRegex } from '../interpolation';
import { type BinaryOperator, functionNamed } from './functions';

export type MatchOperator = '=' | '!=' | '=~' | '!~';
export const MATCH_OPERATORS: readonly MatchOperator[] = ['=', '!=', '=~', '!~'];

export interface LabelFilter {
  label: string;
  operator: MatchOperator;
  value: string;
}

/** What the operations start from: series, or a value such as `1` or `time()`. */
export type Source =
  | { kind: 'series'; metric: string; labels: LabelFilter[]; offset?: string; at?: string }
  | { kind: 'value'; text: string };

/** A function; with a window where it takes samples over time. */
export interface CallOperation {
  kind: 'call';
  name: string;
  /** The time that is looked at: `5m`, `$__rate_interval`. */
  window?: string;
  /** The window is a subquery's: how far its points lie apart, empty for the default. */
  resolution?: string;
  /** Texts are held without their quotes, numbers as they are written. */
  parameters: string[];
}

export interface AggregationOperation {
  kind: 'aggregation';
  name: string;
  parameter?: string;
  /** Missing: over all series. */
  grouping?: { without: boolean; labels: string[] };
}

export interface VectorMatching {
  on: boolean;
  labels: string[];
  /** Several series of one side may meet one of the other, from which these labels are taken. */
  group?: { side: 'left' | 'right'; labels: string[] };
}

export interface BinaryOperation {
  kind: 'binary';
  operator: BinaryOperator;
  bool: boolean;
  /** A number as it is written, or a query of its own. */
  operand: string | BuilderQuery;
  /** The number stands on the left: `1 - x`. */
  reversed?: boolean;
  matching?: VectorMatching;
}

export type Operation = CallOperation | AggregationOperation | BinaryOperation;

/** A source, and what is done with it, one step after the other. */
export interface BuilderQuery {
  source: Source;
  operations: Operation[];
}

export function emptyQuery(): BuilderQuery {
  return { source: { kind: 'series', metric: '', labels: [] }, operations: [] };
}

/** Binding strength of operators (Prometheus, "Binary operator precedence"). */
export const STRENGTH: Record<BinaryOperator, number> = {
  or: 1,
  and: 2,
  unless: 2,
  '==': 3,
  '!=': 3,
  '<=': 3,
  '<': 3,
  '>=': 3,
  '>': 3,
  '+': 4,
  '-': 4,
  '*': 5,
  '/': 5,
  '%': 5,
  atan2: 5,
  '^': 6,
};
/** A minus sign in front binds less than a power: `-1 ^ 2` is `-(1 ^ 2)`. */
const SIGNED = 5.5;
const WHOLE = 7;

interface Rendered {
  text: string;
  strength: number;
  /** An offset or `@` stands at its end. */
  shifted?: boolean;
}

/** The PromQL of a query; empty for one that names no series yet. */
export function renderQuery(query: BuilderQuery): string {
  return render(query).text;
}

function render({ source, operations }: BuilderQuery): Rendered {
  let rendered: Rendered =
    source.kind === 'value'
      ? valueText(source.text)
      : {
          text: renderSelector(source, true),
          strength: WHOLE,
          shifted: Boolean(source.offset || source.at),
        };
  operations.forEach((operation, at) => {
    const first = at === 0 && source.kind === 'series' ? source : undefined;
    rendered = apply(operation, rendered, first);
  });
  return rendered;
}

function valueText(text: string): Rendered {
  return { text, strength: /^[-+]/.test(text) ? SIGNED : WHOLE };
}

export type SeriesSource = Extract<Source, { kind: 'series' }>;

/** `metric{label="value"}` with its offset. A name that is no plain one stands between the braces. */
export function renderSelector(source: SeriesSource, withModifiers = false, window = ''): string {
  const { metric, labels, offset, at } = source;
  const filters = labels.map(({ label, operator, value }) => `${labelText(label)}${operator}${quoted(value)}`);
  const plain = metric === '' || isPlainName(metric, true);
  const inside = plain ? filters : [quoted(metric), ...filters];
  const braces = inside.length > 0 ? `{${inside.join(', ')}}` : '';
  const modifiers = withModifiers ? (at ? ` @ ${at}` : '') + (offset ? ` offset ${offset}` : '') : '';
  return (plain ? metric : '') + braces + window + modifiers;
}

function apply(operation: Operation, before: Rendered, first?: SeriesSource): Rendered {
  switch (operation.kind) {
    case 'call':
      return { text: renderCall(operation, before, first), strength: WHOLE };
    case 'aggregation': {
      const { name, parameter, grouping } = operation;
      const labels = grouping?.labels.map(labelText).join(', ');
      const clause = grouping ? ` ${grouping.without ? 'without' : 'by'} (${labels}) ` : '';
      const leading = parameter === undefined ? '' : `${parameterOf(name, parameter)}, `;
      return { text: `${name}${clause}(${leading}${before.text})`, strength: WHOLE };
    }
    case 'binary':
      return renderBinary(operation, before);
  }
}

function renderCall(operation: CallOperation, before: Rendered, first?: SeriesSource): string {
  const { name, window, resolution, parameters } = operation;
  const described = functionNamed(name);
  let input = before.text;
  if (window !== undefined) {
    if (resolution !== undefined) {
      // A subquery takes what is before it as one piece.
      const inner = before.strength === WHOLE && !/ (offset|@) /.test(input) ? input : `(${input})`;
      input = `${inner}[${window}:${resolution}]`;
    } else {
      input = first ? renderSelector(first, true, `[${window}]`) : `${input}[${window}]`;
    }
  }
  const kinds = [...(described?.before ?? []), ...(described?.after ?? [])];
  const count = described?.before.length ?? 0;
  const texts = parameters.map((parameter, at) => {
    const kind = kinds[Math.min(at, kinds.length - 1)]?.kind;
    return kind === 'text' ? quoted(parameter) : parameter;
  });
  return `${name}(${[...texts.slice(0, count), input, ...texts.slice(count)].join(', ')})`;
}

function parameterOf(aggregation: string, parameter: string): string {
  return aggregation === 'count_values' ? quoted(parameter) : parameter;
}

function renderBinary(operation: BinaryOperation, before: Rendered): Rendered {
  const { operator, bool, operand, reversed, matching } = operation;
  const strength = STRENGTH[operator];
  const other = typeof operand === 'string' ? valueText(operand) : render(operand);
  const [left, right] = reversed ? [other, before] : [before, other];
  // Operators of equal strength are read from the left, only powers from the right.
  const rightFirst = operator === '^';
  // The editor's grammar takes an offset for that of all before it, so its selector is set apart.
  const leftText = wrap(left, left.shifted || (rightFirst ? left.strength <= strength : left.strength < strength));
  const rightSetApart = rightFirst ? right.strength < strength : right.strength <= strength;
  const rightText = wrap(right, rightSetApart);
  let text = `${leftText} ${operator}`;
  if (bool) {
    text += ' bool';
  }
  if (matching) {
    text += ` ${matching.on ? 'on' : 'ignoring'} (${matching.labels.map(labelText).join(', ')})`;
    if (matching.group) {
      const { side, labels } = matching.group;
      text += ` group_${side}${labels.length > 0 || rightText.startsWith('(') ? ` (${labels.map(labelText).join(', ')})` : ''}`;
    }
  }
  return { text: `${text} ${rightText}`, strength, shifted: right.shifted && !rightSetApart };
}

function wrap({ text }: Rendered, needed: boolean): string {
  return needed ? `(${text})` : text;
}

/** A text between quotes, as PromQL reads it. */
export function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}

/** The condition that a label's value holds some letters, in whatever case. */
export function holding(label: string, letters: string): LabelFilter {
  return { label, operator: '=~', value: `(?i).*${escapeRegex(letters)}.*` };
}

function labelText(label: string): string {
  return isPlainName(label, false) ? label : quoted(label);
}

const VARIABLE = /\$\{[^}]+\}|\$\w+|\[\[[^\]]+\]\]/g;

/** Whether a name needs no quotes. A variable in it stands for letters. */
export function isPlainName(name: string, colons: boolean): boolean {
  const letters = name.replace(VARIABLE, 'x');
  return colons ? /^[A-Za-z_:][A-Za-z0-9_:]*$/.test(letters) : /^[A-Za-z_][A-Za-z0-9_]*$/.test(letters);
}
