/**
 * The shapes that cross the wire to the backend.
 *
 * `PanelQuery` is `grafana/panel_query.rs`, `DataSourceOptions` and `SecureOptions` are its
 * settings: a key is renamed on both sides or not at all, since saved dashboards hold these names.
 */
import type { DataSourceJsonData } from '@grafana/data';
import type { DataQuery } from '@grafana/schema';

/** How the answer is laid out for the panel. */
export type ResultFormat = 'time_series' | 'table' | 'heatmap';

/** Which of the two editors last wrote the query. */
export type EditorMode = 'code' | 'builder';

/** An ad-hoc filter as the backend reads it: Grafana's symbols spelt out as words. */
export interface AdHocFilter {
  key: string;
  operator: string;
  value: string;
  values?: string[];
}

/**
 * One query of a panel, an alert rule or Explore.
 *
 * Everything but `refId` may be missing: dashboards written for the Prometheus data source are
 * read as they are.
 */
export interface PanelQuery extends DataQuery {
  /** The PromQL text, template variables and macros included. */
  expr?: string;
  /** Read as `expr` where that is missing. */
  queryText?: string;
  /** The builder's parts, which the backend renders to PromQL when there is no text. */
  metricName?: string;
  labels?: Record<string, string>;
  aggregation?: string;
  function?: string;
  /** Evaluate along the whole time range. Neither `range` nor `instant` means range. */
  range?: boolean;
  /** Evaluate once, at the end of the time range. */
  instant?: boolean;
  exemplar?: boolean;
  format?: ResultFormat;
  editorMode?: EditorMode;
  /** Multiplies the step; 1 where missing. */
  intervalFactor?: number;
  /** `{{label}}` template of the series' names, `__auto`, or empty for the full label set. */
  legendFormat?: string;
  /** The smallest step, as a duration (`30s`) or a macro (`$__rate_interval`). */
  interval?: string;
  /** Grafana's own interval for the panel, in milliseconds. */
  intervalMs?: number;
  /** The viewer's distance to UTC, to which the range's start and end are aligned. */
  utcOffsetSec?: number;
  adhocFilters?: AdHocFilter[];
  groupByKeys?: string[];
}

/** Where the answers come from. */
export type EngineKind = 'embedded' | 'remote';

/** The engine of a data source that does not name one. */
export const DEFAULT_ENGINE: EngineKind = 'embedded';

/** The scrape interval of a data source that does not name one. */
export const DEFAULT_SCRAPE_INTERVAL = '15s';

/** Where the trace that a label of exemplars names can be looked at: a data source, or an address. */
export interface ExemplarTraceIdDestination {
  /** The label that holds the trace's id. */
  name: string;
  datasourceUid?: string;
  url?: string;
  urlDisplayLabel?: string;
}

/** A rule of relabelling, as Prometheus writes it. */
export type RelabelRule = Record<string, unknown>;

/** How one target is asked. Secrets stand in `SecureOptions`, here only by name. */
export interface TargetOptions {
  url?: string;
  urls?: string[];
  dns?: { names?: string[]; type?: string; port?: number | string; refreshInterval?: string };
  file?: { paths?: string[]; refreshInterval?: string };
  job?: string;
  labels?: Record<string, string>;
  interval?: string;
  timeout?: string;
  scheme?: string;
  metricsPath?: string;
  basicAuth?: { username?: string; passwordSecret?: string; [key: string]: unknown };
  bearerTokenSecret?: string;
  tls?: {
    ca?: string;
    cert?: string;
    keySecret?: string;
    serverName?: string;
    skipVerify?: boolean;
    [key: string]: unknown;
  };
  relabel?: RelabelRule[];
  metricRelabel?: RelabelRule[];
  /** Keys that the editor does not show stay as they are. */
  [key: string]: unknown;
}

/** Settings that are no secrets. The address stands beside them, in the settings' `url`. */
export interface DataSourceOptions extends DataSourceJsonData {
  engine?: EngineKind;
  /** How often the metrics are scraped (`15s`); a bare number is seconds. */
  timeInterval?: string | number;

  // HTTP, of the server or of the page at `url`.
  tlsAuth?: boolean;
  tlsAuthWithCACert?: boolean;
  /** Accept any certificate. */
  tlsSkipVerify?: boolean;
  serverName?: string;
  oauthPassThru?: boolean;
  keepCookies?: string[];

  // Embedded.
  /** Further targets; an entry may be a bare address. */
  targets?: Array<string | TargetOptions>;
  scrapeTimeout?: string;
  sampleLimit?: number | string;
  bodySizeLimit?: number | string;
  retention?: string;
  retentionSize?: string | number;
  lookback?: string;

  // Remote.
  httpMethod?: string;
  queryTimeout?: string | number;
  customQueryParameters?: string;
  connectTimeout?: string | number;
  compression?: string;
  prometheusType?: string;
  prometheusVersion?: string;
  incrementalQuerying?: boolean;
  incrementalQueryOverlapWindow?: string;
  cacheBytes?: number | string;
  seriesEndpoint?: boolean;
  seriesLimit?: number | string;
  atLimit?: string;
  maxResponseBytes?: number | string;
  maxQueuedQueries?: number | string;
  exemplarTraceIdDestinations?: ExemplarTraceIdDestination[];

  // Both.
  /** Embedded: series that there may be at once. Remote: series of one answer. */
  maxSeries?: number | string;
  maxSamples?: number | string;
  maxConcurrentQueries?: number | string;
}

/** Settings that the browser can write and never read back, by key: `apiKey`, those of targets, … */
export type SecureOptions = Record<string, string>;
