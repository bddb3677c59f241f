import type { MetricType } from '../resources';
import { durationText, hintsFor, rateIntervalWords, secondsOf } from './hints';
import { renderQuery } from './model';
import { parseQuery } from './parse';

/** The hints for a query, and what their buttons make of it. */
function hints(
  text: string,
  type: MetricType,
  configured = 15,
  measured?: number
): Array<[string, string | undefined]> {
  const parsed = parseQuery(text);
  if (!parsed.ok || parsed.query.source.kind !== 'series') {
    throw new Error(text);
  }
  const facts = { name: parsed.query.source.metric, type, description: '', unit: '' };
  return hintsFor(parsed.query, facts, { configured, measured }).map((hint) => [
    hint.text,
    hint.fix && renderQuery(hint.fix.query),
  ]);
}

test('a counter without rate gets one', () => {
  expect(hints('sum(a_total)', 'counter')).toEqual([
    [expect.stringContaining('only grows'), 'sum(rate(a_total[$__rate_interval]))'],
  ]);
  expect(hints('sum(a)', 'gauge')).toEqual([]);
  expect(hints('absent(a_total)', 'counter')).toEqual([]);
});

test('a rate of a gauge becomes its slope', () => {
  expect(hints('rate(temperature[$__rate_interval])', 'gauge')).toEqual([
    [expect.stringContaining('is a gauge'), 'deriv(temperature[$__rate_interval])'],
  ]);
});

test('a window with too few samples is told with figures', () => {
  expect(hints('rate(a_total[1m])', 'counter', 60)).toEqual([
    [
      'The metric is sampled every 1m: a window of at least 4m gives smooth rates, and 1m holds 1 of its samples.',
      'rate(a_total[$__rate_interval])',
    ],
  ]);
  expect(hints('rate(a_total[4m])', 'counter', 60)).toEqual([]);
  expect(hints('rate(a_total[$w])', 'counter', 60)).toEqual([]);
});

test('a quantile keeps le', () => {
  expect(hints('histogram_quantile(0.9, sum by (job) (rate(a_bucket[5m])))', 'histogram')).toEqual([
    [expect.stringContaining('le'), 'histogram_quantile(0.9, sum by (job, le) (rate(a_bucket[5m])))'],
  ]);
  expect(hints('histogram_quantile(0.9, sum without (pod) (rate(a_bucket[5m])))', 'histogram')).toEqual([]);
});

test('buckets are offered a quantile', () => {
  expect(hints('rate(a_bucket[5m])', 'histogram')).toEqual([
    [expect.stringContaining('95 %'), 'histogram_quantile(0.95, sum by (le) (rate(a_bucket[5m])))'],
  ]);
});

test('durations are read and written as Prometheus does', () => {
  expect([secondsOf('1h30m'), secondsOf('500ms'), secondsOf('$x'), secondsOf('')]).toEqual([
    5400,
    0.5,
    undefined,
    undefined,
  ]);
  expect([durationText(5400), durationText(0.5), durationText(90), durationText(0)]).toEqual([
    '1h30m',
    '500ms',
    '1m30s',
    '0s',
  ]);
});

test('the arithmetic of the rate interval is told', () => {
  expect(rateIntervalWords(60, 15)).toContain('$__rate_interval is 1m15s');
  expect(rateIntervalWords(15, 15)).toContain('$__rate_interval is 1m:');
});

test('what the samples show comes before what is configured', () => {
  expect(hints('rate(a_total[2m])', 'counter', 15, 60.02)).toEqual([
    [
      'The metric is sampled every 1m: a window of at least 4m gives smooth rates, and 2m holds 2 of its samples.',
      'rate(a_total[4m])',
    ],
  ]);
  expect(hints('rate(a_total[20s])', 'counter', 15, 4.998)).toEqual([]);
  expect(hints('rate(a_total[4m])', 'counter', 15, 59.97)).toEqual([]);
});

test('a rate interval that is too short for a slow metric gets a window of its own', () => {
  expect(hints('increase(a_total[$__rate_interval])', 'counter', 15, 60)).toEqual([
    [
      'The metric is sampled every 1m, and the data source’s scrape interval is 15s: $__rate_interval can be as short as 1m, and a window of at least 4m gives smooth rates.',
      'increase(a_total[4m])',
    ],
  ]);
  expect(hints('increase(a_total[$__rate_interval])', 'counter', 15, 15.4)).toEqual([]);
  expect(hints('increase(a_total[$__rate_interval])', 'counter', 15)).toEqual([]);
});
