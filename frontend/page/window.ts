/** Which time is shown, and how finely. */
import type { Span } from './chart';

export interface TimeWindow {
  /** What is asked for, in seconds; both are whole steps, so that points stay where they are. */
  start: number;
  end: number;
  step: number;
  /** What is drawn: a young store's window has room for what is still to come. */
  span: Span;
  /** The window of rates, in seconds. */
  rateSeconds: number;
}

/** The ranges to choose from, in seconds. */
export const RANGES: Array<[number, string]> = [
  [60, 'last minute'],
  [300, 'last 5 minutes'],
  [900, 'last 15 minutes'],
  [3600, 'last hour'],
  [6 * 3600, 'last 6 hours'],
  [86_400, 'last day'],
  [7 * 86_400, 'last week'],
];
const POINTS = 240;
/** A store that is younger shows what it has, over at least this long. */
const SHORTEST = 60;
/** Rates look back over four scrapes, as Grafana's `$__rate_interval`, and over this at least. */
const SHORTEST_RATE = 10;

/**
 * The window that ends `now`, over the last `range` or since there are samples, whichever is
 * shorter. All in seconds.
 */
export function timeWindow(now: number, range: number, interval: number, since: number | undefined): TimeWindow {
  const begin = Math.max(now - range, since ?? now - range);
  const long = Math.max(now - begin, SHORTEST);
  const step = Math.max(1, Math.ceil(Math.max(interval, long / POINTS)));
  const end = Math.floor(now / step) * step;
  const start = Math.min(Math.ceil(begin / step) * step, end);
  return {
    start,
    end,
    step,
    span: [start, Math.max(end, start + Math.min(long, range))],
    rateSeconds: Math.max(4 * Math.ceil(interval), step, SHORTEST_RATE),
  };
}
