/** Example queries made of the metrics that there are. */
import type { MetricMetadata } from '../resources';

export interface MetricFacts {
  /** The name under which its samples are found; of a histogram the family's. */
  name: string;
  type: 'counter' | 'gauge' | 'histogram' | 'summary';
  help: string;
  unit: string;
}

export interface Example {
  title: string;
  expr: string;
  /** What it shows, in words. */
  text: string;
}

/** What every runtime says of itself comes after what the app says. */
const OF_RUNTIMES = /^(go|process|python|jvm|nodejs|dotnet|promhttp|scrape|net_conntrack|prometheus|headwater)_/;

/** How many metrics of a type become examples. */
const OF_EACH_TYPE = 2;

/** The metrics of which something is known, the app's own first. */
export function knownMetrics(metadata: Record<string, MetricMetadata[]>, names: string[]): MetricFacts[] {
  const there = new Set(names);
  const known = Object.entries(metadata).flatMap(([family, [facts]]): MetricFacts[] => {
    const { type = '', help = '', unit = '' } = facts ?? {};
    switch (type) {
      case 'counter': {
        // OpenMetrics names the family, whose samples end in _total.
        const name = [family, `${family}_total`].find((candidate) => there.has(candidate));
        return name ? [{ name, type, help, unit }] : [];
      }
      case 'gauge':
        return there.has(family) ? [{ name: family, type, help, unit }] : [];
      case 'histogram':
        return there.has(`${family}_bucket`) ? [{ name: family, type, help, unit }] : [];
      case 'summary':
        return there.has(`${family}_count`) ? [{ name: family, type, help, unit }] : [];
      default:
        return [];
    }
  });
  const rank = ({ name }: MetricFacts) => (OF_RUNTIMES.test(name) ? 1 : 0);
  return known.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}

/** Examples of the metrics, each suited to its type. `text` words them. */
export function examplesOf(metrics: MetricFacts[], text: ExampleTexts): Example[] {
  const first = (type: MetricFacts['type']) => metrics.filter((metric) => metric.type === type).slice(0, OF_EACH_TYPE);
  return [
    ...first('counter').map(({ name }) => ({
      title: text.rate(name),
      expr: `sum(rate(${name}[$__rate_interval]))`,
      text: text.rateText(),
    })),
    ...first('histogram').map(({ name }) => ({
      title: text.quantile(name),
      expr: `histogram_quantile(0.95, sum by (le) (rate(${name}_bucket[$__rate_interval])))`,
      text: text.quantileText(),
    })),
    ...[...first('histogram'), ...first('summary')].slice(0, OF_EACH_TYPE).map(({ name }) => ({
      title: text.average(name),
      expr: `sum(rate(${name}_sum[$__rate_interval])) / sum(rate(${name}_count[$__rate_interval]))`,
      text: text.averageText(),
    })),
    ...first('gauge').map(({ name }) => ({ title: text.gauge(name), expr: name, text: text.gaugeText() })),
    { title: text.up(), expr: 'up', text: text.upText() },
  ];
}

export interface ExampleTexts {
  rate: (name: string) => string;
  rateText: () => string;
  quantile: (name: string) => string;
  quantileText: () => string;
  average: (name: string) => string;
  averageText: () => string;
  gauge: (name: string) => string;
  gaugeText: () => string;
  up: () => string;
  upText: () => string;
}
