/**
 * Which panels are drawn: those of the dashboard *FastAPI Application Monitoring* where the wiki's
 * metrics are there, and what can be made of any other app's metrics where they are not.
 */
import type { Metadata } from './api';
import type { Unit } from './numbers';

export interface PanelQuery {
  /** PromQL; `$window` stands for the window of rates. */
  expr: string;
  /** The name of the one series; where there is none, the labels name each. */
  name?: string;
}

export interface Panel {
  title: string;
  /** What is drawn, in a sentence. */
  about: string;
  unit: Unit;
  queries: PanelQuery[];
}

/** As many as fill two rows of a screen. */
export const PANELS_CHOSEN = 6;

const WIKI: Panel[] = [
  {
    title: 'Users total',
    about: 'Users that signed up since the app started.',
    unit: 'short',
    queries: [{ expr: 'sum(users_created_total)', name: 'users' }],
  },
  {
    title: 'User rate per minute',
    about: 'New users per minute.',
    unit: 'perMinute',
    queries: [{ expr: 'sum(rate(users_created_total[$window])) * 60', name: 'users' }],
  },
  {
    title: 'Posts per user',
    about: 'Posts divided by users.',
    unit: 'ratio',
    queries: [{ expr: 'sum(posts_created_total) / sum(users_created_total)', name: 'posts per user' }],
  },
  {
    title: 'Posts total',
    about: 'Posts that were written since the app started.',
    unit: 'short',
    queries: [{ expr: 'sum(posts_created_total)', name: 'posts' }],
  },
  {
    title: 'Post rate per minute',
    about: 'New posts per minute.',
    unit: 'perMinute',
    queries: [{ expr: 'sum(rate(posts_created_total[$window])) * 60', name: 'posts' }],
  },
  {
    title: 'Response time',
    about: '95, 90 and 50 of 100 answers are quicker than this.',
    unit: 'seconds',
    queries: ['0.95', '0.9', '0.5'].map((quantile) => ({
      expr: `histogram_quantile(${quantile}, sum by (le) (rate(http_request_duration_seconds_bucket[$window])))`,
      name: `p${Number(quantile) * 100}`,
    })),
  },
];

/** Metrics of the process that serves them and of every client library: drawn last. */
const HOUSEKEEPING = /^(up$|scrape_|go_|process_|python_|promhttp_|jvm_|nodejs_|headwater_|prometheus_)/;
/** What most people want to see first. */
const TELLING = /(request|http|error|latency|duration|queue|user|order|login|message|job|cpu|memory|connection)/;
const GAUGES_OF_NOTE = ['process_resident_memory_bytes', 'go_goroutines'];

/** A name as PromQL selects it, also one that is no plain identifier. */
function selector(name: string): string {
  return /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name) ? name : `{${JSON.stringify(name)}}`;
}

/** `selector` with a window, which stands behind the braces. */
function rate(name: string): string {
  return `rate(${selector(name)}[$window])`;
}

function unitOf(name: string): Unit {
  if (/_bytes(_total)?$/.test(name)) {
    return 'bytes';
  }
  return /_seconds(_total)?$/.test(name) ? 'seconds' : 'short';
}

/** The panel of one metric, by what is known of it. */
export function panelOf(name: string, known: Set<string>, metadata: Metadata): Panel {
  const family = name.replace(/_(bucket|count|sum|total)$/, '');
  const facts = metadata[name]?.[0] ?? metadata[family]?.[0];
  const about = facts?.help ?? '';
  const base = name.replace(/_(bucket|count|sum)$/, '');
  if (known.has(`${base}_bucket`)) {
    const quantile = (q: number) => `histogram_quantile(${q}, sum by (le) (${rate(`${base}_bucket`)}))`;
    return {
      title: base,
      about: about || '95 and 50 of 100 are below this.',
      unit: unitOf(base),
      queries: [
        { expr: quantile(0.95), name: 'p95' },
        { expr: quantile(0.5), name: 'p50' },
      ],
    };
  }
  const isCounter = facts ? facts.type === 'counter' : /_(total|count|sum)$/.test(name);
  const isPartOfSummary = facts?.type === 'summary' && /_(count|sum)$/.test(name);
  if (isCounter || isPartOfSummary) {
    return {
      title: `${name}, per second`,
      about,
      unit: 'perSecond',
      queries: [{ expr: `sum by (job) (${rate(name)})` }],
    };
  }
  return { title: name, about, unit: unitOf(name), queries: [{ expr: selector(name) }] };
}

function quietness(name: string): number {
  if (HOUSEKEEPING.test(name)) {
    return 2;
  }
  return TELLING.test(name) ? 0 : 1;
}

/** The panels for the metrics that are there. */
export function choosePanels(names: string[], metadata: Metadata): Panel[] {
  const known = new Set(names);
  if (known.has('users_created_total') && known.has('posts_created_total')) {
    return WIKI.filter((panel) => panel.title !== 'Response time' || known.has('http_request_duration_seconds_bucket'));
  }
  const chosen: Panel[] = [];
  const take = (candidates: string[], most: number) => {
    for (const name of candidates.slice(0, most)) {
      if (chosen.length < PANELS_CHOSEN) {
        chosen.push(panelOf(name, known, metadata));
      }
    }
  };
  const byWeight = [...names].sort((a, b) => quietness(a) - quietness(b) || a.localeCompare(b));
  const histograms = byWeight.filter((name) => name.endsWith('_bucket') && quietness(name) < 2);
  const counters = byWeight.filter((name) => /_total$/.test(name) && quietness(name) < 2);
  const gauges = byWeight.filter(
    (name) => quietness(name) < 2 && !/_(total|bucket|sum|count|created|info)$/.test(name)
  );
  take(counters, 3);
  take(histograms, 2);
  take(gauges, 2);
  if (known.has('up')) {
    chosen.splice(PANELS_CHOSEN - 1);
    chosen.unshift({
      title: 'Targets up',
      about: 'How many targets answered their last scrape.',
      unit: 'short',
      queries: [{ expr: 'sum by (job) (up)' }],
    });
  }
  if (known.has('process_cpu_seconds_total') && chosen.length < PANELS_CHOSEN) {
    chosen.push({
      title: 'CPU',
      about: 'Seconds of CPU per second: 1 is one core.',
      unit: 'ratio',
      queries: [{ expr: 'sum by (job) (rate(process_cpu_seconds_total[$window]))' }],
    });
  }
  take(
    GAUGES_OF_NOTE.filter((name) => known.has(name)),
    2
  );
  return chosen;
}
