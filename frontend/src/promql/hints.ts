/** Says what is likely to be wrong with a query that is correct, and how to mend it. */
import type { MetricFacts } from '../resources';
import type { BuilderQuery, CallOperation } from './model';

export interface Hint {
  text: string;
  /** What the button says, and the query it makes. */
  fix?: { label: string; query: BuilderQuery };
}

const GROWTH = new Set(['rate', 'irate', 'increase', 'resets']);
const FOR_GAUGES: Record<string, string> = { rate: 'deriv', irate: 'idelta', increase: 'delta' };
const RATE_INTERVAL = '$__rate_interval';
/** Samples that a window must hold for a rate that does not jump: Grafana's rate interval has as many. */
const SAMPLES = 4;

export function hintsFor(query: BuilderQuery, facts: MetricFacts | undefined, scrapeSeconds: number): Hint[] {
  const { source, operations } = query;
  if (source.kind !== 'series' || !source.metric) {
    return [];
  }
  const [first] = operations;
  const overTime = first?.kind === 'call' && first.window !== undefined ? first : undefined;
  return [
    ...counterHints(query, facts, overTime),
    ...gaugeHints(query, facts, overTime),
    ...histogramHints(query, facts),
    ...windowHints(query, overTime, scrapeSeconds),
  ];
}

function isCounter(metric: string, facts: MetricFacts | undefined): boolean {
  const suffixed = /_(bucket|count|sum)$/.test(metric);
  return facts?.type === 'counter' || ((facts?.type === 'histogram' || facts?.type === 'summary') && suffixed);
}

function counterHints(query: BuilderQuery, facts: MetricFacts | undefined, overTime?: CallOperation): Hint[] {
  const { source, operations } = query;
  const metric = source.kind === 'series' ? source.metric : '';
  const meant = operations.some((step) => step.kind === 'call' && ['absent', 'timestamp'].includes(step.name));
  if (!isCounter(metric, facts) || overTime || meant) {
    return [];
  }
  const rate: CallOperation = { kind: 'call', name: 'rate', window: RATE_INTERVAL, parameters: [] };
  return [
    {
      text: `${metric} is a counter: it only grows, and restarts at zero. Its rate says how fast it grows.`,
      fix: { label: 'Add rate()', query: { source, operations: [rate, ...operations] } },
    },
  ];
}

function gaugeHints(query: BuilderQuery, facts: MetricFacts | undefined, overTime?: CallOperation): Hint[] {
  const better = overTime && FOR_GAUGES[overTime.name];
  if (facts?.type !== 'gauge' || !overTime || !better) {
    return [];
  }
  const [, ...rest] = query.operations;
  return [
    {
      text: `${facts.name} is a gauge: it goes down too, and ${overTime.name}() would take that for a restart.`,
      fix: {
        label: `Use ${better}()`,
        query: { ...query, operations: [{ ...overTime, name: better }, ...rest] },
      },
    },
  ];
}

function histogramHints(query: BuilderQuery, facts: MetricFacts | undefined): Hint[] {
  const { source, operations } = query;
  const metric = source.kind === 'series' ? source.metric : '';
  const quantileAt = operations.findIndex((step) => step.kind === 'call' && step.name === 'histogram_quantile');
  const aggregationAt = operations.findIndex(({ kind }) => kind === 'aggregation');
  const aggregation = operations[aggregationAt];
  if (
    quantileAt >= 0 &&
    metric.endsWith('_bucket') &&
    aggregation?.kind === 'aggregation' &&
    aggregationAt < quantileAt
  ) {
    const { without = false, labels = [] } = aggregation.grouping ?? {};
    if (without === labels.includes('le')) {
      const kept = without ? labels.filter((label) => label !== 'le') : [...labels, 'le'];
      const mended = operations.map((step, at) =>
        at === aggregationAt ? { ...aggregation, grouping: { without, labels: kept } } : step
      );
      return [
        {
          text: 'histogram_quantile() needs the label le, which this aggregation drops.',
          fix: { label: 'Keep le', query: { source, operations: mended } },
        },
      ];
    }
  }
  const rated = operations[0]?.kind === 'call' && GROWTH.has(operations[0].name);
  if (facts?.type === 'histogram' && metric.endsWith('_bucket') && rated && operations.length === 1) {
    return [
      {
        text: `${metric} holds a histogram’s buckets. A quantile of them says, for example, below which value 95 % lie; the format Heatmap shows all of them.`,
        fix: {
          label: 'Add histogram_quantile()',
          query: {
            source,
            operations: [
              ...operations,
              { kind: 'aggregation', name: 'sum', grouping: { without: false, labels: ['le'] } },
              { kind: 'call', name: 'histogram_quantile', parameters: ['0.95'] },
            ],
          },
        },
      },
    ];
  }
  return [];
}

function windowHints(query: BuilderQuery, overTime: CallOperation | undefined, scrapeSeconds: number): Hint[] {
  const seconds = overTime?.window === undefined ? undefined : secondsOf(overTime.window);
  if (!overTime || seconds === undefined || !GROWTH.has(overTime.name) || seconds >= SAMPLES * scrapeSeconds) {
    return [];
  }
  const wanted = durationText(SAMPLES * scrapeSeconds);
  const [, ...rest] = query.operations;
  return [
    {
      text: `The metric is sampled every ${durationText(scrapeSeconds)}: a window of at least ${wanted} gives smooth rates, and ${overTime.window} holds ${Math.floor(seconds / scrapeSeconds)} samples.`,
      fix: {
        label: `Use ${RATE_INTERVAL}`,
        query: { ...query, operations: [{ ...overTime, window: RATE_INTERVAL }, ...rest] },
      },
    },
  ];
}

const UNITS: Array<[unit: string, seconds: number]> = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
  ['ms', 0.001],
];

/** A duration as Prometheus writes it, in seconds; nothing where it holds a variable. */
export function secondsOf(duration: string): number | undefined {
  if (!/^(\d+(ms|[dhms]))+$/.test(duration)) {
    return undefined;
  }
  let seconds = 0;
  for (const [, count, unit] of duration.matchAll(/(\d+)(ms|[dhms])/g)) {
    seconds += Number(count) * (UNITS.find(([name]) => name === unit)?.[1] ?? 0);
  }
  return seconds;
}

export function durationText(seconds: number): string {
  let rest = Math.round(seconds * 1000) / 1000;
  let text = '';
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size + 1e-9);
    if (count > 0) {
      text += `${count}${unit}`;
      rest -= count * size;
    }
  }
  return text || '0s';
}

/** How `$__rate_interval` comes about (query-contract.md, "Macros"), in words. */
export function rateIntervalWords(stepSeconds: number, scrapeSeconds: number): string {
  const sum = stepSeconds + scrapeSeconds;
  const least = SAMPLES * scrapeSeconds;
  const [step, scrape] = [durationText(stepSeconds), durationText(scrapeSeconds)];
  return `$__rate_interval is ${durationText(Math.max(sum, least))}: the greater of step + scrape interval (${step} + ${scrape} = ${durationText(sum)}) and ${SAMPLES} scrape intervals (${durationText(least)}).`;
}
