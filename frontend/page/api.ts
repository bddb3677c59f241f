/** Asks the server that this page came from. Prometheus's HTTP API, and a few paths of our own. */

/** A series as the API answers it, with the samples of a range. */
export interface Series {
  metric: Record<string, string>;
  values: Array<[number, string]>;
}

/** One sample of a series. */
export interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}

export type Result =
  | { resultType: 'matrix'; result: Series[] }
  | { resultType: 'vector'; result: Sample[] }
  | { resultType: 'scalar' | 'string'; result: [number, string] };

/** What came back, and what the engine has to say about it. */
export interface Answer<Data> {
  data: Data;
  warnings: string[];
  infos: string[];
}

export interface Target {
  labels: Record<string, string>;
  scrapePool: string;
  scrapeUrl: string;
  lastError: string;
  lastScrape: string;
  lastScrapeDuration: number;
  health: string;
  scrapeInterval: string;
  samples?: number;
  series?: number;
  storeError?: string;
  warnings?: string[];
}

/** Where a mistake is: UTF-16 units from 0, lines and columns from 1. */
export interface Position {
  start: number;
  end: number;
  line: number;
  column: number;
}

export interface Verdict {
  valid: boolean;
  error?: string;
  position?: Position;
}

/** The server answered, and the answer is no. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly status: number
  ) {
    super(message);
    this.name = 'Refused';
  }
}

/** Nobody answered. */
export class Unreachable extends Error {
  constructor() {
    super('Headwater does not answer. Is it still running? This page asks again by itself.');
    this.name = 'Unreachable';
  }
}

const TOKEN = 'headwater-token';
const PATIENCE_MS = 60_000;

/** Keeps a bearer token for as long as the tab is open. */
export function enterToken(token: string): void {
  sessionStorage.setItem(TOKEN, token);
}

async function ask(path: string, request: RequestInit = {}): Promise<Record<string, unknown>> {
  const token = sessionStorage.getItem(TOKEN);
  const headers = new Headers(request.headers);
  if (token) {
    headers.set('Authorization', `Bearer ${token}`);
  }
  const late = AbortSignal.timeout(PATIENCE_MS);
  const signal = request.signal ? AbortSignal.any([request.signal, late]) : late;
  let response: Response;
  try {
    response = await fetch(path, { ...request, headers, signal });
  } catch (error) {
    if (request.signal?.aborted) {
      throw error;
    }
    throw new Unreachable();
  }
  const body: unknown = await response.json().catch(() => undefined);
  const fields = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  if (!response.ok) {
    const text = fields.error ?? fields.message ?? `The server answers with status ${response.status}.`;
    throw new Refused(String(text), response.status);
  }
  return fields;
}

async function data<Data>(path: string, form?: Record<string, string>, signal?: AbortSignal): Promise<Answer<Data>> {
  const request: RequestInit = form ? { method: 'POST', body: new URLSearchParams(form), signal } : { signal };
  const fields = await ask(path, request);
  const notices = (value: unknown) => (Array.isArray(value) ? value.map(String) : []);
  return { data: fields.data as Data, warnings: notices(fields.warnings), infos: notices(fields.infos) };
}

/** One evaluation per step; times in seconds. */
export function range(
  query: string,
  window: { start: number; end: number; step: number },
  limit: number,
  signal?: AbortSignal
): Promise<Answer<Result>> {
  const { start, end, step } = window;
  const form = { query, start: String(start), end: String(end), step: String(step), limit: String(limit) };
  return data('api/v1/query_range', form, signal);
}

/** One evaluation, by the server's clock. */
export function instant(query: string, limit: number, signal?: AbortSignal): Promise<Answer<Result>> {
  return data('api/v1/query', { query, limit: String(limit) }, signal);
}

export async function targets(): Promise<Target[]> {
  const { data: found } = await data<{ activeTargets: Target[] }>('api/v1/targets?state=active');
  return found.activeTargets;
}

export async function metricNames(): Promise<string[]> {
  return (await data<string[]>('api/v1/label/__name__/values?limit=5000')).data;
}

/** What is known of metrics, by family. */
export type Metadata = Record<string, Array<{ type: string; help: string; unit: string }>>;

export async function metadata(): Promise<Metadata> {
  return (await data<Metadata>('api/v1/metadata?limit=5000')).data;
}

export async function version(): Promise<string> {
  return (await data<{ version: string }>('api/v1/status/buildinfo')).data.version;
}

/** What is stored: series, and the first time in seconds where there is one. */
export async function stored(): Promise<{ series: number; since: number | undefined }> {
  const { data: found } = await data<{ headStats: { numSeries: number; minTime: number } }>(
    'api/v1/status/tsdb?limit=1'
  );
  const { numSeries, minTime } = found.headStats;
  // An empty store answers with the largest number there is.
  return { series: numSeries, since: minTime < 1e15 ? minTime / 1000 : undefined };
}

/** Whether a query is right, and where it is not. */
export async function validate(expr: string, signal?: AbortSignal): Promise<Verdict> {
  const body = JSON.stringify({ expr });
  const headers = { 'Content-Type': 'application/json' };
  return (await ask('validate', { method: 'POST', body, headers, signal })) as unknown as Verdict;
}
