/**
 * Reads a PromQL text as the builder's query, or says why the builder cannot show it.
 *
 * What is read means the same when it is written again; where that cannot be had, nothing is read.
 */
import type { SyntaxNode } from '@lezer/common';
import { parser } from '@prometheus-io/lezer-promql';

import { t } from '../translate';
import { aggregationNamed, BINARY_OPERATORS, type BinaryOperator, functionNamed } from './functions';
import {
  type AggregationOperation,
  type BinaryOperation,
  type BuilderQuery,
  emptyQuery,
  type LabelFilter,
  MATCH_OPERATORS,
  STRENGTH,
  type MatchOperator,
  type SeriesSource,
  type VectorMatching,
} from './model';
import { maskVariables } from './variables';

export type Parsed = { ok: true; query: BuilderQuery } | { ok: false; reason: string };

/** What the builder has no place for; its message is shown to the person who typed the query. */
class NotBuildable extends Error {}

export function parseQuery(text: string): Parsed {
  if (text.trim() === '') {
    return { ok: true, query: emptyQuery() };
  }
  const masked = maskVariables(text);
  const reader = new Reader(masked.text, masked.restore);
  try {
    return { ok: true, query: reader.whole(parser.parse(masked.text).topNode) };
  } catch (error) {
    if (error instanceof NotBuildable) {
      return { ok: false, reason: error.message };
    }
    throw error;
  }
}

class Reader {
  constructor(
    private readonly text: string,
    private readonly restore: (piece: string) => string
  ) {}

  whole(top: SyntaxNode): BuilderQuery {
    const cursor = top.cursor();
    do {
      if (cursor.type.isError) {
        const near = this.restore(this.text.slice(Math.max(0, cursor.from - 10), cursor.to + 10)).trim();
        throw new NotBuildable(t('parse.mistake', 'it is not complete, or has a mistake near “{{near}}”', { near }));
      }
      if (cursor.name === 'LineComment') {
        throw new NotBuildable(t('parse.comment', 'it has a comment, for which the builder has no place'));
      }
    } while (cursor.next());
    const [inner] = children(top);
    if (!inner) {
      return emptyQuery();
    }
    return this.expression(inner);
  }

  private textOf(node: SyntaxNode): string {
    return this.restore(this.text.slice(node.from, node.to)).trim();
  }

  private refuse(node: SyntaxNode, what: string): never {
    throw new NotBuildable(`${what}: “${shortened(this.textOf(node))}”`);
  }

  private expression(node: SyntaxNode): BuilderQuery {
    switch (node.name) {
      case 'ParenExpr':
        return this.expression(this.only(node));
      case 'NumberDurationLiteral':
        return { source: { kind: 'value', text: this.numberText(node) }, operations: [] };
      case 'VectorSelector':
      case 'OffsetExpr':
      case 'StepInvariantExpr':
        return this.modified(node, []);
      case 'FunctionCall':
        return this.call(node);
      case 'AggregateExpr':
        return this.aggregation(node);
      case 'BinaryExpr':
        return this.binary(node);
      case 'MatrixSelector':
        return this.refuse(
          node,
          t('parse.matrix', 'samples over time without a function around them have no place in the builder')
        );
      case 'UnaryExpr':
        if (node.lastChild?.name === 'NumberDurationLiteral') {
          return { source: { kind: 'value', text: this.numberText(node) }, operations: [] };
        }
        return this.refuse(node, t('parse.sign', 'a sign in front of an expression has no place in the builder'));
      default:
        return this.refuse(node, t('parse.no-place', 'the builder has no place for this'));
    }
  }

  private only(node: SyntaxNode): SyntaxNode {
    const [inner] = children(node);
    return inner ?? this.refuse(node, t('parse.no-place', 'the builder has no place for this'));
  }

  private numberText(node: SyntaxNode): string {
    // A sign may stand apart from its number.
    return this.textOf(node).replace(/^([-+])\s+/, '$1');
  }

  /**
   * An expression with modifiers behind it.
   *
   * The grammar lets `a - b offset 5m` shift the difference. Prometheus shifts `b`, and so does this.
   */
  private modified(node: SyntaxNode, modifiers: SyntaxNode[]): BuilderQuery {
    switch (node.name) {
      case 'OffsetExpr':
      case 'StepInvariantExpr':
        return this.modified(node.firstChild as SyntaxNode, [node, ...modifiers]);
      case 'VectorSelector': {
        const source = modifiers.reduce((source, modifier) => this.withModifier(source, modifier), this.selector(node));
        return { source, operations: [] };
      }
      case 'BinaryExpr':
        return this.binary(node, modifiers);
      default:
        return this.refuse(
          node,
          t('parse.offset', 'an offset of something else than a metric has no place in the builder')
        );
    }
  }

  private withModifier(source: SeriesSource, node: SyntaxNode): SeriesSource {
    const keyword = children(node)[1];
    const modifier = this.restore(this.text.slice(keyword?.to ?? node.to, node.to)).trim();
    return node.name === 'OffsetExpr'
      ? { ...source, offset: modifier.replace(/^-\s+/, '-') }
      : { ...source, at: modifier };
  }

  /** The selector of a window, with its modifiers, which stand behind the window. */
  private windowed(node: SyntaxNode): SeriesSource {
    if (node.name === 'MatrixSelector') {
      return this.selector(this.only(node));
    }
    return this.withModifier(this.windowed(node.firstChild as SyntaxNode), node);
  }

  private selector(node: SyntaxNode): SeriesSource {
    let metric = '';
    const labels: LabelFilter[] = [];
    for (const part of children(node)) {
      if (part.name === 'Identifier') {
        metric = this.textOf(part);
      } else if (part.name === 'LabelMatchers') {
        for (const matcher of children(part)) {
          if (matcher.name === 'QuotedLabelName') {
            metric = this.stringOf(this.only(matcher));
          } else {
            labels.push(this.matcher(matcher));
          }
        }
      }
    }
    return { kind: 'series', metric, labels };
  }

  private matcher(node: SyntaxNode): LabelFilter {
    const [name, operator, value] = children(node);
    if (!name || !operator || !value || !isOneOf(MATCH_OPERATORS, this.textOf(operator))) {
      return this.refuse(node, t('parse.filter', 'the builder cannot read this label filter'));
    }
    return {
      label: this.labelOf(name),
      operator: this.textOf(operator) as MatchOperator,
      value: this.stringOf(value),
    };
  }

  private labelOf(node: SyntaxNode): string {
    return node.name === 'QuotedLabelName' ? this.stringOf(this.only(node)) : this.textOf(node);
  }

  private stringOf(node: SyntaxNode): string {
    if (node.name !== 'StringLiteral') {
      return this.refuse(node, t('parse.text-expected', 'a text between quotes is expected here'));
    }
    const decoded = unquote(this.restore(this.text.slice(node.from, node.to)));
    return decoded ?? this.refuse(node, t('parse.bytes', 'the builder cannot show bytes that are no text'));
  }

  private labels(node: SyntaxNode): string[] {
    return children(node).map((label) => this.labelOf(label));
  }

  private call(node: SyntaxNode): BuilderQuery {
    const [identifier, body] = children(node);
    if (!identifier || !body) {
      return this.refuse(node, t('parse.no-place', 'the builder has no place for this'));
    }
    const name = this.textOf(identifier);
    const given = children(body);
    if (given.length === 0) {
      return { source: { kind: 'value', text: `${name}()` }, operations: [] };
    }
    const described = functionNamed(name);
    if (!described) {
      return this.refuse(node, t('parse.function', 'the builder does not offer {{name}}()', { name }));
    }
    const { before, after } = described;
    const repeats = after.at(-1)?.repeats ?? false;
    const most = before.length + 1 + after.length;
    const least = before.length + 1 + after.filter(({ optional }) => !optional).length;
    if (given.length < least || (given.length > most && !repeats)) {
      return this.refuse(
        node,
        t('parse.parameters', '{{name}}() has another number of parameters than it takes', { name })
      );
    }
    const parameters = [...given.slice(0, before.length), ...given.slice(before.length + 1)].map((parameter, at) => {
      const kinds = [...before, ...after];
      const kind = kinds[Math.min(at, kinds.length - 1)]?.kind;
      return kind === 'text' ? this.stringOf(parameter) : this.plainValue(parameter);
    });
    const input = given[before.length] as SyntaxNode;
    if (described.input !== 'range') {
      const query = this.expression(input);
      return { ...query, operations: [...query.operations, { kind: 'call', name, parameters }] };
    }
    const { query, window, resolution } = this.range(input);
    return {
      ...query,
      operations: [
        ...query.operations,
        { kind: 'call', name, window, ...(resolution === undefined ? {} : { resolution }), parameters },
      ],
    };
  }

  /** Samples over time: of a metric, or of a subquery. */
  private range(node: SyntaxNode): { query: BuilderQuery; window: string; resolution?: string } {
    if (node.name === 'ParenExpr') {
      return this.range(this.only(node));
    }
    if (node.name === 'SubqueryExpr') {
      const [inner, window, resolution] = children(node);
      if (!inner || !window) {
        return this.refuse(node, t('parse.no-place', 'the builder has no place for this'));
      }
      return {
        query: this.expression(inner),
        window: this.textOf(window),
        resolution: resolution ? this.textOf(resolution) : '',
      };
    }
    const matrix = matrixIn(node);
    if (!matrix) {
      return this.refuse(node, t('parse.window', 'the builder has no place for this window'));
    }
    const source = this.windowed(node);
    const window = children(matrix)[1];
    return {
      query: { source, operations: [] },
      window: window ? this.textOf(window) : this.refuse(node, t('parse.window-missing', 'the window is missing')),
    };
  }

  /** A parameter that is a number, or a variable for one. */
  private plainValue(node: SyntaxNode): string {
    if (node.name === 'ParenExpr') {
      return this.plainValue(this.only(node));
    }
    const signed = node.name === 'UnaryExpr' && node.lastChild?.name === 'NumberDurationLiteral';
    if (node.name === 'NumberDurationLiteral' || signed) {
      return this.numberText(node);
    }
    const text = this.textOf(node);
    if (/^(\$\w+|\$\{[^}]+\}|\[\[[^\]]+\]\])$/.test(text)) {
      return text;
    }
    return this.refuse(node, t('parse.computed', 'a parameter that is computed has no place in the builder'));
  }

  private aggregation(node: SyntaxNode): BuilderQuery {
    const parts = children(node);
    const name = this.textOf(parts.find((part) => part.name === 'AggregateOp') ?? node);
    const body = parts.find((part) => part.name === 'FunctionCallBody');
    const modifier = parts.find((part) => part.name === 'AggregateModifier');
    const given = body ? children(body) : [];
    const described = aggregationNamed(name.toLowerCase());
    const inner = given.at(-1);
    if (!described || !inner || given.length !== (described.parameter ? 2 : 1)) {
      return this.refuse(node, t('parse.aggregation', 'the builder does not offer this aggregation'));
    }
    const operation: AggregationOperation = { kind: 'aggregation', name: described.name };
    const [first] = given;
    if (described.parameter && first) {
      operation.parameter = described.parameter.kind === 'text' ? this.stringOf(first) : this.plainValue(first);
    }
    if (modifier) {
      const [keyword, labels] = children(modifier);
      operation.grouping = { without: keyword?.name === 'Without', labels: labels ? this.labels(labels) : [] };
    }
    const query = this.expression(inner);
    return { ...query, operations: [...query.operations, operation] };
  }

  private binary(node: SyntaxNode, modifiers: SyntaxNode[] = []): BuilderQuery {
    const parts = children(node);
    const left = parts[0];
    const right = parts.at(-1);
    const operatorNode = parts[1];
    if (!left || !right || !operatorNode || parts.length < 3) {
      return this.refuse(node, t('parse.no-place', 'the builder has no place for this'));
    }
    const operator = this.textOf(operatorNode).toLowerCase();
    if (!isOneOf(BINARY_OPERATORS, operator)) {
      return this.refuse(node, t('parse.operator', 'the builder does not offer {{operator}}', { operator }));
    }
    const before = shiftedOperator(left);
    const weaker = before && STRENGTH[this.textOf(before).toLowerCase() as BinaryOperator] < STRENGTH[operator];
    if (before && (weaker || operator === '^')) {
      return this.refuse(
        node,
        t('parse.offset-between', 'an offset between two operators needs parentheses for the builder')
      );
    }
    let matching: VectorMatching | undefined;
    let bool = false;
    for (const part of parts.slice(2, -1)) {
      if (part.name === 'BoolModifier') {
        // In the grammar, `bool` and `on (…)` may stand in one node or in two.
        bool ||= children(part).some(({ name }) => name === 'Bool');
      } else if (part.name !== 'MatchingModifierClause') {
        return this.refuse(part, t('parse.no-place', 'the builder has no place for this'));
      }
      const clause = part.name === 'MatchingModifierClause' ? part : part.getChild('MatchingModifierClause');
      if (clause) {
        matching = this.matching(clause);
      }
    }
    const operation: BinaryOperation = {
      kind: 'binary',
      operator: operator as BinaryOperator,
      bool,
      operand: '',
      ...(matching ? { matching } : {}),
    };
    const first = this.expression(left);
    const second = modifiers.length > 0 ? this.modified(right, modifiers) : this.expression(right);
    const number = valueOf(first);
    // `1 - x` is about x, so x is where the builder starts.
    if (number !== undefined && valueOf(second) === undefined && !matching) {
      return {
        ...second,
        operations: [...second.operations, { ...operation, operand: number, reversed: true }],
      };
    }
    return { ...first, operations: [...first.operations, { ...operation, operand: valueOf(second) ?? second }] };
  }

  private matching(node: SyntaxNode): VectorMatching {
    const parts = children(node);
    const on = parts.some(({ name }) => name === 'On');
    const firstLabels = parts[1]?.name === 'GroupingLabels' ? this.labels(parts[1]) : [];
    const group = parts.findIndex(({ name }) => name === 'GroupLeft' || name === 'GroupRight');
    const extra = parts.find(
      ({ name }) => !['On', 'Ignoring', 'GroupingLabels', 'GroupLeft', 'GroupRight'].includes(name)
    );
    if (extra) {
      return this.refuse(extra, t('parse.no-place', 'the builder has no place for this'));
    }
    if (group < 0) {
      return { on, labels: firstLabels };
    }
    const taken = parts[group + 1];
    return {
      on,
      labels: firstLabels,
      group: {
        side: parts[group]?.name === 'GroupLeft' ? 'left' : 'right',
        labels: taken ? this.labels(taken) : [],
      },
    };
  }
}

/** The number of a query that is nothing else. */
function valueOf({ source, operations }: BuilderQuery): string | undefined {
  return source.kind === 'value' && operations.length === 0 && !source.text.endsWith(')') ? source.text : undefined;
}

/** The operator before an offset that the grammar takes for that of a whole calculation. */
function shiftedOperator(node: SyntaxNode): SyntaxNode | undefined {
  let inner: SyntaxNode | null = node;
  while (inner?.name === 'OffsetExpr' || inner?.name === 'StepInvariantExpr') {
    inner = inner.firstChild;
  }
  return inner !== node && inner?.name === 'BinaryExpr' ? children(inner)[1] : undefined;
}

function matrixIn(node: SyntaxNode): SyntaxNode | undefined {
  let inner: SyntaxNode | null = node;
  while (inner && inner.name !== 'MatrixSelector') {
    inner = inner.name === 'OffsetExpr' || inner.name === 'StepInvariantExpr' ? inner.firstChild : null;
  }
  return inner ?? undefined;
}

function children(node: SyntaxNode): SyntaxNode[] {
  const found: SyntaxNode[] = [];
  for (let child = node.firstChild; child; child = child.nextSibling) {
    found.push(child);
  }
  return found;
}

function isOneOf<T extends string>(list: readonly T[], text: string): text is T {
  return (list as readonly string[]).includes(text);
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

const ESCAPES: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
};

/** The text between quotes, its escapes read; nothing where they are bytes that may be no text. */
export function unquote(literal: string): string | undefined {
  const quote = literal.charAt(0);
  const inner = literal.slice(1, -1);
  if (quote === '`') {
    return inner;
  }
  let understood = true;
  const text = inner.replace(
    /\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|[0-7]{3}|[\s\S])/g,
    (_, escape: string) => {
      const plain = ESCAPES[escape];
      if (plain !== undefined) {
        return plain;
      }
      const base = /^[0-7]/.test(escape) ? 8 : 16;
      const code = Number.parseInt(base === 8 ? escape : escape.slice(1), base);
      const isByte = base === 8 || escape.startsWith('x');
      if (Number.isNaN(code) || code > (isByte ? 0x7f : 0x10ffff)) {
        understood = false;
        return '';
      }
      return String.fromCodePoint(code);
    }
  );
  return understood ? text : undefined;
}
