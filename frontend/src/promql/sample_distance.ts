/** Measures how far a metric's samples lie apart, whatever the settings say. */
import { instantQuery, type ResourceCaller } from '../resources';
import { renderSelector, type SeriesSource } from './model';

/** How far back is looked: several samples even of what is scraped every few minutes. */
const WINDOW = '15m';

/**
 * How far a series' samples lie apart, in seconds; nothing where it has fewer than three.
 *
 * Of a metric with many series one is looked at, the one with the newest sample, so the answers are
 * as short for a million series.
 */
export async function sampleDistance(caller: ResourceCaller, source: SeriesSource): Promise<number | undefined> {
  const [newest] = await instantQuery(caller, `topk(1, timestamp(${renderSelector(source)}))`);
  if (!newest) {
    return undefined;
  }
  const labels = Object.entries(newest.metric).map(([label, value]) => ({ label, operator: '=' as const, value }));
  const one = renderSelector({ kind: 'series', metric: source.metric, labels }, false, `[${WINDOW}]`);
  const [series] = await instantQuery(caller, one);
  const times = (series?.values ?? []).map(([seconds]) => seconds);
  const distances = times.slice(1).map((time, at) => time - (times[at] ?? time));
  // The middle one: a late scrape or a gap says nothing of the others.
  const middle = distances.sort((a, b) => a - b)[Math.floor(distances.length / 2)];
  return distances.length < 2 ? undefined : middle;
}
