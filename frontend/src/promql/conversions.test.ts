import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

import type { SyntaxNode } from '@lezer/common';
import { parser } from '@prometheus-io/lezer-promql';
import fc from 'fast-check';

import { AGGREGATIONS, BINARY_OPERATORS, COMPARISONS, FUNCTIONS, SET_OPERATORS } from './functions';
import {
  type BinaryOperation,
  type BuilderQuery,
  type LabelFilter,
  MATCH_OPERATORS,
  type Operation,
  renderQuery,
  type Source,
} from './model';
import { parseQuery, unquote } from './parse';
import { maskVariables } from './variables';

/** What a text says, free of spaces, parentheses, the kind of quotes, and where `by` stands. */
function meaning(text: string): string {
  const masked = maskVariables(text);
  const read = (node: SyntaxNode): string => {
    const parts: string[] = [];
    for (let child = node.firstChild; child; child = child.nextSibling) {
      parts.push(read(child));
    }
    const own = masked.restore(masked.text.slice(node.from, node.to));
    switch (node.name) {
      case 'ParenExpr':
      case 'PromQL':
        return parts.join(' ');
      case 'StringLiteral':
        return JSON.stringify(unquote(own));
      case 'GroupingLabels':
        return parts.length > 0 ? `(${parts.join(' ')})` : '';
      // Empty braces choose nothing, and a quoted plain name is that name.
      case 'LabelMatchers':
        return parts.length > 0 ? `{${parts.join(',')}}` : '';
      case 'AggregateModifier':
        return `<${parts.join(' ')}>`;
      case 'AggregateExpr':
        return `agg(${[...parts].sort().join(' ')})`;
      case 'UnquotedLabelMatcher':
      case 'QuotedLabelMatcher':
        return parts.join('');
      case 'LabelName':
        return JSON.stringify(own);
      default: {
        const literal = parts.length === 0 ? own.replace(/\s+/g, '').toLowerCase() : '';
        const name = node.name === 'Identifier' ? own : literal;
        return `${node.name}(${name}${parts.filter(Boolean).join(' ')})`;
      }
    }
  };
  return read(parser.parse(masked.text).topNode);
}

const word = fc.constantFrom(
  'up',
  'job',
  'http_requests_total',
  'a:b',
  'le',
  'x1',
  '$metric',
  '${name}_total',
  'a.b',
  'é'
);
const label = fc.constantFrom('job', 'le', 'code', 'http.status', '$label');
const value = fc.string({ unit: fc.constantFrom('a', '.', '*', '"', '\\', '\n', "'", '`', '$x', '{', '}', 'é', ' ') });
const duration = fc.constantFrom('5m', '1h30m', '$__rate_interval', '${__range_s}s', '$window');
const literal = fc.constantFrom('1', '0.95', '100', '-1', '1e3', 'Inf', '1024');
const computed = fc.constantFrom('time()', 'pi()');

const filter: fc.Arbitrary<LabelFilter> = fc.record({
  label,
  operator: fc.constantFrom(...MATCH_OPERATORS),
  value,
});

const series: fc.Arbitrary<Source> = fc
  .record(
    {
      kind: fc.constant('series' as const),
      metric: word,
      labels: fc.array(filter, { maxLength: 3 }),
      offset: fc.constantFrom('5m', '-1h', '$off'),
      at: fc.constantFrom('start()', 'end()', '1609746000'),
    },
    { requiredKeys: ['kind', 'metric', 'labels'] }
  )
  .map((source) => source);

const grouping = fc.option(fc.record({ without: fc.boolean(), labels: fc.uniqueArray(label, { maxLength: 3 }) }), {
  nil: undefined,
});

const aggregation: fc.Arbitrary<Operation> = fc
  .tuple(fc.constantFrom(...AGGREGATIONS), grouping, literal, value)
  .map(([{ name, parameter }, by, number, text]) => ({
    kind: 'aggregation' as const,
    name,
    ...(parameter ? { parameter: parameter.kind === 'text' ? text : number } : {}),
    ...(by ? { grouping: by } : {}),
  }));

/** Any function; a window is a subquery's unless it is the first thing that is done with series. */
const call = (subquery: boolean): fc.Arbitrary<Operation> =>
  fc
    .tuple(
      fc.constantFrom(...FUNCTIONS),
      duration,
      fc.constantFrom('', '1m', '$__interval'),
      fc.array(literal, { minLength: 8, maxLength: 8 }),
      fc.array(value, { minLength: 8, maxLength: 8 }),
      fc.nat(2)
    )
    .map(([{ name, input, before, after }, window, resolution, numbers, texts, more]) => {
      const repeated = after.at(-1)?.repeats ? Array(more).fill(after.at(-1)) : [];
      const all = [...before, ...after.filter(({ optional }) => !optional || more > 0), ...repeated];
      return {
        kind: 'call' as const,
        name,
        ...(input === 'range' ? { window, ...(subquery ? { resolution } : {}) } : {}),
        parameters: all.map(({ kind }, at) => (kind === 'text' ? (texts[at] ?? '') : (numbers[at] ?? '1'))),
      };
    });

const query = fc.letrec<{ query: BuilderQuery; binary: Operation }>((tie) => ({
  binary: fc
    .record({
      operator: fc.constantFrom(...BINARY_OPERATORS),
      bool: fc.boolean(),
      operand: fc.oneof({ maxDepth: 3 }, literal, tie('query') as fc.Arbitrary<BuilderQuery>),
      reversed: fc.boolean(),
      matching: fc.option(
        fc.record(
          {
            on: fc.boolean(),
            labels: fc.uniqueArray(label, { maxLength: 2 }),
            group: fc.record({
              side: fc.constantFrom('left' as const, 'right' as const),
              labels: fc.uniqueArray(label, { maxLength: 2 }),
            }),
          },
          { requiredKeys: ['on', 'labels'] }
        ),
        { nil: undefined }
      ),
    })
    .map(({ operator, bool, operand, reversed, matching }): BinaryOperation => {
      const number = typeof operand === 'string';
      return {
        kind: 'binary',
        operator,
        bool: bool && COMPARISONS.has(operator),
        operand,
        ...(number && reversed && !SET_OPERATORS.has(operator) ? { reversed: true } : {}),
        ...(!number && matching ? { matching } : {}),
      };
    }),
  query: fc
    .tuple(
      fc.oneof(
        series,
        computed.map((text) => ({ kind: 'value' as const, text }))
      ),
      fc.option(call(false), { nil: undefined }),
      fc.array(fc.oneof({ maxDepth: 3 }, call(true), aggregation, tie('binary') as fc.Arbitrary<Operation>), {
        maxLength: 4,
      })
    )
    .map(([source, first, rest]) => {
      const windowed = first?.kind === 'call' && first.window !== undefined;
      const start = first && !(windowed && source.kind === 'value') ? [first] : [];
      return { source, operations: [...start, ...rest] };
    }),
}));

test('what ends with an offset is set apart before another operator', () => {
  const built: BuilderQuery = {
    source: { kind: 'value', text: 'time()' },
    operations: [
      {
        kind: 'binary',
        operator: '+',
        bool: false,
        operand: {
          source: { kind: 'series', metric: 'up', labels: [], at: 'start()' },
          operations: [
            { kind: 'binary', operator: 'atan2', bool: false, operand: '1', reversed: true },
            { kind: 'binary', operator: 'atan2', bool: false, operand: '1' },
          ],
        },
      },
    ],
  };
  const text = renderQuery(built);
  expect(text).toBe('time() + (1 atan2 up @ start()) atan2 1');
  expect(parseQuery(text)).toEqual({ ok: true, query: built });
});

test('builder → code → builder is the identity', () => {
  fc.assert(
    fc.property(query.query, (built) => {
      expect(parseQuery(renderQuery(built))).toEqual({ ok: true, query: built });
    }),
    { numRuns: Number(process.env.FAST_CHECK_RUNS ?? 1000) }
  );
});

test.each([
  ['rate(http_requests_total{job="api"}[$__rate_interval])'],
  ['sum by (le) (rate(x_bucket[5m])) / on (job) group_left (team) y'],
  ['sum(rate(a[5m])) by (job) / sum(rate(b[5m])) by (job) * 100'],
  ['1 - avg(up)'],
  ['100 * (a - b) / c'],
  ['a - (b - c)'],
  ['a - b offset 1d'],
  ['a * b / c @ end() offset 5m'],
  ['2 ^ 3 ^ x'],
  ['(2 ^ 3) ^ x'],
  ['max_over_time(rate(a[5m] offset 1h)[1h:1m])'],
  ['time() - process_start_time_seconds'],
  ['{"http.requests", "k8s.pod"=~"a.*"}'],
  ["up{job=~'a\\\\.b'}"],
  ['up{a=`\\d+`}'],
  ['sum(up) or vector(0)'],
  ['topk by (job) ($n, rate(a[$window]))'],
  ['[[metric]]{job="$job"} > bool $limit'],
])('%s is shown by the builder and means the same', (text) => {
  const parsed = parseQuery(text);
  expect(parsed).toMatchObject({ ok: true });
  expect(parsed.ok && meaning(renderQuery(parsed.query))).toBe(meaning(text));
});

test.each([
  ['up # of all', 'comment'],
  ['sum(', 'not complete'],
  ['-up', 'sign'],
  ['up[5m]', 'samples over time'],
  ['1 != a offset 5m + b', 'parentheses'],
  ['max_over_time(up[1h:1m] offset 5m)', 'window'],
  ['clamp_max(a, scalar(b))', 'computed'],
  ['up{a="\\xff"}', 'bytes'],
  ['$aggregation(up)', 'mistake'],
  ['up{$filters}', 'mistake'],
])('%s stays text, and it is said why', (text, reason) => {
  expect(parseQuery(text)).toEqual({ ok: false, reason: expect.stringContaining(reason) });
});

test('an empty text is an empty query', () => {
  expect(parseQuery(' ')).toEqual({
    ok: true,
    query: { source: { kind: 'series', metric: '', labels: [] }, operations: [] },
  });
});

const shared = path.resolve(__dirname, '../../../../shared/conformance/queries/dashboards.json');
// The folder is no part of a checkout, so this has nothing to read elsewhere.
const dashboards: string[] = existsSync(shared) ? JSON.parse(readFileSync(shared, 'utf8')) : [];

(dashboards.length > 0 ? test : test.skip)(
  'expressions of real dashboards mean the same, or stay text with a reason',
  () => {
    const reasons: string[] = [];
    for (const text of dashboards) {
      const parsed = parseQuery(text);
      if (parsed.ok) {
        expect(meaning(renderQuery(parsed.query))).toBe(meaning(text));
        expect(parseQuery(renderQuery(parsed.query))).toEqual(parsed);
      } else {
        reasons.push(`${parsed.reason} <- ${text}`);
      }
    }
    process.stdout.write(`${dashboards.length - reasons.length} of ${dashboards.length} expressions fit the builder\n`);
    if (process.env.SHOW_REASONS) {
      process.stdout.write(`${reasons.join('\n')}\n`);
    }
    // Most must fit, or the builder is of no use to who moves a dashboard here.
    expect(reasons.length).toBeLessThan(dashboards.length / 4);
  }
);
