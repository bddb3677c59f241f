/** Says what is likely to be wrong with a query that is correct, and how to mend it. */
import type { MetricFacts } from '../resources';
import { t } from '../translate';
import type { BuilderQuery, CallOperation } from './model';

export interface Hint {
  text: string;
  /** What the button says, and the query it makes. */
  fix?: { label: string; query: BuilderQuery };
}

const GROWTH = new Set(['rate', 'irate', 'increase', 'resets']);
const FOR_GAUGES: Record<string, string> = { rate: 'deriv', irate: 'idelta', increase: 'delta' };
const RATE_INTERVAL = '$__rate_interval';
const RATE_INTERVALS = new Set([RATE_INTERVAL, '${__rate_interval}']);
/** Samples that a window must hold for a rate that does not jump: Grafana's rate interval has as many. */
const SAMPLES = 4;

/** How far samples lie apart, in seconds. */
export interface SampleInterval {
  /** What the data source's settings say; `$__rate_interval` is made of it. */
  configured: number;
  /** What the metric's newest samples show. */
  measured?: number;
}

/** Whether the hints for a query depend on how far the metric's samples lie apart. */
export function dependsOnInterval({ source, operations }: BuilderQuery): boolean {
  const [first] = operations;
  return source.kind === 'series' && first?.kind === 'call' && first.window !== undefined && GROWTH.has(first.name);
}

export function hintsFor(query: BuilderQuery, facts: MetricFacts | undefined, interval: SampleInterval): Hint[] {
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
    ...windowHints(query, overTime, interval),
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
      text: t(
        'hints.counter',
        '{{metric}} is a counter: it only grows, and restarts at zero. Its rate says how fast it grows.',
        { metric }
      ),
      fix: { label: addLabel('rate'), query: { source, operations: [rate, ...operations] } },
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
      text: t('hints.gauge', '{{metric}} is a gauge: it goes down too, and {{name}}() would take that for a restart.', {
        metric: facts.name,
        name: overTime.name,
      }),
      fix: {
        label: insteadLabel(`${better}()`),
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
          text: t('hints.needs-le', 'histogram_quantile() needs the label le, which this aggregation drops.'),
          fix: { label: t('hints.keep-le', 'Keep le'), query: { source, operations: mended } },
        },
      ];
    }
  }
  const rated = operations[0]?.kind === 'call' && GROWTH.has(operations[0].name);
  if (facts?.type === 'histogram' && metric.endsWith('_bucket') && rated && operations.length === 1) {
    return [
      {
        text: t(
          'hints.buckets',
          '{{metric}} holds a histogram’s buckets. A quantile of them says, for example, below which value 95 % lie; the format Heatmap shows all of them.',
          { metric }
        ),
        fix: {
          label: addLabel('histogram_quantile'),
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

/** Scrapes come a little early and late: a metric this much slower than configured is slower. */
const SLOWER = 1.25;

function windowHints(query: BuilderQuery, overTime: CallOperation | undefined, interval: SampleInterval): Hint[] {
  if (!overTime?.window || !GROWTH.has(overTime.name)) {
    return [];
  }
  const { window } = overTime;
  const { configured, measured } = interval;
  const sampled = measured === undefined ? configured : rounded(measured);
  const isSlower = sampled > SLOWER * configured;
  const isRateInterval = RATE_INTERVALS.has(window);
  // The rate interval may be longer, where the graph's points lie far apart.
  const seconds = isRateInterval ? SAMPLES * configured : secondsOf(window);
  if (seconds === undefined || seconds >= SAMPLES * sampled || (isRateInterval && !isSlower)) {
    return [];
  }
  const wanted = durationText(SAMPLES * sampled);
  const every = durationText(sampled);
  const number = Math.floor(seconds / sampled);
  const scrape = durationText(configured);
  // The rate interval knows only what is configured.
  const better = isSlower ? wanted : RATE_INTERVAL;
  const [, ...rest] = query.operations;
  return [
    {
      text: isRateInterval
        ? t(
            'hints.rate-interval-short',
            'The metric is sampled every {{every}}, and the data source’s scrape interval is {{scrape}}: {{window}} can be as short as {{shortest}}, and a window of at least {{wanted}} gives smooth rates.',
            { every, scrape, window, shortest: durationText(seconds), wanted }
          )
        : t(
            'hints.window-short',
            'The metric is sampled every {{every}}: a window of at least {{wanted}} gives smooth rates, and {{window}} holds {{number}} of its samples.',
            { every, wanted, window, number }
          ),
      fix: {
        label: insteadLabel(better),
        query: { ...query, operations: [{ ...overTime, window: better }, ...rest] },
      },
    },
  ];
}

/** A measured distance without the jitter of scrapes. */
function rounded(seconds: number): number {
  return seconds < 2 ? Math.max(0.1, Math.round(seconds * 10) / 10) : Math.round(seconds);
}

function addLabel(name: string): string {
  return t('hints.add', 'Add {{name}}()', { name });
}

function insteadLabel(what: string): string {
  return t('hints.use', 'Use {{what}}', { what });
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
  return t(
    'hints.rate-interval-words',
    '$__rate_interval is {{result}}: the greater of step + scrape interval ({{step}} + {{scrape}} = {{sum}}) and {{samples}} scrape intervals ({{least}}).',
    {
      result: durationText(Math.max(sum, least)),
      step,
      scrape,
      sum: durationText(sum),
      samples: SAMPLES,
      least: durationText(least),
    }
  );
}
