/**
 * The client of the backend's own look-ups: what is below the data source's `resources/`.
 *
 * Every answer here is short or bounded by what was asked for, whatever the number of names.
 */
import { isFetchError } from '@grafana/runtime';

/** The part of `DataSourceWithBackend` that carries requests. */
export interface ResourceCaller {
  getResource<T>(path: string, params?: Record<string, unknown>, options?: Record<string, unknown>): Promise<T>;
  postResource<T>(path: string, data?: unknown, options?: Record<string, unknown>): Promise<T>;
}

/** What kind of metric a name is, as its page declares it. */
export type MetricType =
  'counter' | 'gauge' | 'histogram' | 'gaugehistogram' | 'summary' | 'info' | 'stateset' | 'unknown';

/** A metric and what is known of it. Samples of a family (`…_bucket`) carry the family's facts. */
export interface MetricFacts {
  name: string;
  type: MetricType;
  description: string;
  unit: string;
}

/** The best fits of a search, and how many there are besides. */
export interface MetricSearch {
  found: number;
  names: number;
  /** There are more names than the backend searches. */
  truncated: boolean;
  metrics: MetricFacts[];
}

/** Where a mistake is in a text: UTF-16 offsets, line and column from 1. */
export interface MistakePosition {
  start: number;
  end: number;
  line: number;
  column: number;
}

export type Verdict = { valid: true } | { valid: false; error: string; position: MistakePosition };

/** Seconds since the epoch between which series must have samples. */
export interface LookupRange {
  start: number;
  end: number;
}

/** What Prometheus's API tells of a family of metrics. */
export interface MetricMetadata {
  type: string;
  help?: string;
  unit?: string;
}

/** A list as far as a limit let it be. */
export interface Limited<T> {
  entries: T[];
  /** There are more than these. */
  truncated: boolean;
}

interface Envelope<T> {
  status: string;
  data: T;
  warnings?: string[];
}

/** The warning of a list that was cut, in Prometheus's words; the backend says it of each of its own. */
const TRUNCATED = 'results truncated due to limit';
/** Says it of a list that comes without an envelope: after how many entries it was cut. */
const TRUNCATED_HEADER = 'X-Headwater-Truncated';

// A failed look-up is told beside the field that asked; Grafana's pop-ups would tell it twice.
const QUIET = { showErrorAlert: false, showSuccessAlert: false };

/** The metrics that are meant by a few letters, best first. */
export function searchMetrics(caller: ResourceCaller, text: string, limit: number): Promise<MetricSearch> {
  return caller.getResource('metric-search', { text, limit }, QUIET);
}

/** What is known of one metric; nothing where there is no such metric. */
export async function metricFacts(caller: ResourceCaller, name: string): Promise<MetricFacts | undefined> {
  try {
    return await caller.getResource<MetricFacts>(`metrics/${encodeURIComponent(name)}`, undefined, QUIET);
  } catch (error) {
    if (isFetchError(error) && error.status === 404) {
      return undefined;
    }
    throw error;
  }
}

/** Families of which `describedMetrics` tells; a page of examples needs no more. */
const DESCRIBED = 500;
/** Names that it asks for: a family's samples have several, and labels are no part of them. */
const NAMES_OF_DESCRIBED = 20 * DESCRIBED;

/** The metrics that there are and what is known of them; of very many only some. */
export async function describedMetrics(
  caller: ResourceCaller
): Promise<{ metadata: Record<string, MetricMetadata[]>; names: string[] }> {
  const [metadata, names] = await Promise.all([
    caller.getResource<Envelope<Record<string, MetricMetadata[]>>>('api/v1/metadata', { limit: DESCRIBED }, QUIET),
    labelValues(caller, '__name__', undefined, undefined, NAMES_OF_DESCRIBED),
  ]);
  return { metadata: metadata.data, names: names.entries };
}

/** A series of an instant answer: with one value, or with samples where a window was asked for. */
export interface InstantSeries {
  metric: Record<string, string>;
  value?: [seconds: number, value: string];
  values?: Array<[seconds: number, value: string]>;
}

/** A query evaluated once, now. */
export async function instantQuery(caller: ResourceCaller, query: string): Promise<InstantSeries[]> {
  const { data } = await caller.getResource<Envelope<{ result: InstantSeries[] }>>('api/v1/query', { query }, QUIET);
  return data.result;
}

/** How many series a selector takes just now. */
export async function seriesCount(caller: ResourceCaller, selector: string): Promise<number> {
  const [counted] = await instantQuery(caller, `count(${selector})`);
  // Nothing to count has no series, not the count 0.
  return Number(counted?.value?.[1] ?? 0);
}

/** Whether a PromQL text is right, Grafana's variables allowed, and if not, where it is wrong. */
export function validateQuery(caller: ResourceCaller, queryText: string): Promise<Verdict> {
  return caller.postResource('validate', { queryText }, QUIET);
}

/** The names of labels, of all series or of those that a selector takes; `__name__` is left out. */
export async function labelNames(
  caller: ResourceCaller,
  selector?: string,
  range?: LookupRange,
  limit?: number
): Promise<Limited<string>> {
  const { entries, truncated } = await lookUp<string>(caller, 'labels', selector, range, limit);
  return { entries: entries.filter((name) => name !== '__name__'), truncated };
}

/** The values of a label, of all series or of those that a selector takes. */
export function labelValues(
  caller: ResourceCaller,
  label: string,
  selector?: string,
  range?: LookupRange,
  limit?: number
): Promise<Limited<string>> {
  return lookUp(caller, `label/${encodeURIComponent(escapeLabelName(label))}/values`, selector, range, limit);
}

/** The label sets of the series that a selector takes. */
export function seriesOf(
  caller: ResourceCaller,
  selector: string,
  range?: LookupRange,
  limit?: number
): Promise<Limited<Record<string, string>>> {
  return lookUp(caller, 'series', selector, range, limit);
}

/** A list that comes without an envelope, which has its header tell whether it was cut. */
export function plainList<T>({ data, headers }: { data: T[] | null; headers: Headers }): Limited<T> {
  return { entries: data ?? [], truncated: headers.has(TRUNCATED_HEADER) };
}

/** What went wrong with a look-up, in the backend's words. */
export function lookupProblem(error: unknown): string {
  if (isFetchError(error)) {
    const { error: apiError, message } = (error.data ?? {}) as { error?: string; message?: string };
    return apiError ?? message ?? error.statusText ?? `status ${error.status}`;
  }
  return error instanceof Error ? error.message : String(error);
}

async function lookUp<T>(
  caller: ResourceCaller,
  path: string,
  selector?: string,
  range?: LookupRange,
  limit?: number
): Promise<Limited<T>> {
  const params: Record<string, unknown> = {};
  if (selector) {
    params['match[]'] = selector;
  }
  if (range) {
    params.start = Math.floor(range.start);
    params.end = Math.ceil(range.end);
  }
  if (limit) {
    // A remote server answers as it is: some do not know of a limit, and some cut without a word. One more tells.
    params.limit = limit + 1;
  }
  const { data, warnings } = await caller.getResource<Envelope<T[] | null>>(`api/v1/${path}`, params, QUIET);
  const found = data ?? [];
  const isLong = limit !== undefined && found.length > limit;
  return {
    entries: isLong ? found.slice(0, limit) : found,
    truncated: isLong || warnings?.includes(TRUNCATED) === true,
  };
}

/**
 * A label's name for a path: behind `U__` each underscore stands twice, and what is not plain as
 * its hexadecimal number between underscores (Prometheus, `ValueEncodingEscaping`).
 */
function escapeLabelName(name: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    return name;
  }
  const escaped = Array.from(name, (char, at) => {
    if (char === '_') {
      return '__';
    }
    const plain = at === 0 ? /[A-Za-z]/ : /[A-Za-z0-9]/;
    return plain.test(char) ? char : `_${char.codePointAt(0)?.toString(16)}_`;
  });
  return `U__${escaped.join('')}`;
}
