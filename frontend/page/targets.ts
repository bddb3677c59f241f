/** The table of what is scraped. */
import type { Target } from './api';
import { element } from './element';
import { ago, shown } from './numbers';

const COLUMNS = ['Target', 'State', 'Last scrape', 'Took', 'Samples', 'What is wrong'];

function seconds(time: string): number | undefined {
  const ms = Date.parse(time);
  // Prometheus writes the year 1 where there was no scrape yet.
  return Number.isNaN(ms) || ms < 0 ? undefined : ms / 1000;
}

function row(target: Target, now: number): HTMLElement {
  const last = seconds(target.lastScrape);
  const wrong = [target.lastError, target.storeError ?? '', ...(target.warnings ?? [])].filter(Boolean);
  const scraped = last !== undefined;
  const state = { up: 'up', down: 'down' }[target.health] ?? 'not scraped yet';
  const cells: Array<[Node | string, string]> = [
    [
      element(
        'span',
        {},
        element('strong', {}, target.labels.job ?? target.scrapePool),
        // A link only where it can be nothing else: the address comes from a configuration.
        /^https?:\/\//.test(target.scrapeUrl)
          ? element('a', { href: target.scrapeUrl, rel: 'noreferrer', class: 'address' }, target.scrapeUrl)
          : element('span', { class: 'address' }, target.scrapeUrl)
      ),
      '',
    ],
    [
      element(
        'span',
        { class: `state ${target.health === 'up' ? 'up' : target.health === 'down' ? 'down' : ''}` },
        state
      ),
      '',
    ],
    [scraped ? `${ago(now - last)}, every ${target.scrapeInterval}` : '–', ''],
    [scraped ? shown(target.lastScrapeDuration, 'seconds') : '–', 'number'],
    [scraped && target.samples !== undefined ? String(target.samples) : '–', 'number'],
    [wrong.join(' · ') || '–', wrong.length > 0 ? 'wrong' : ''],
  ];
  return element(
    'tr',
    {},
    ...cells.map(([content, kind], at) => element('td', { 'data-column': COLUMNS[at], class: kind }, content))
  );
}

/** Writes the table, targets that are down first. */
export function showTargets(host: HTMLElement, targets: Target[], now: number): void {
  if (targets.length === 0) {
    host.replaceChildren(
      element(
        'p',
        { class: 'card quiet' },
        'Nothing is scraped. Start serve with --scrape and the address of a metrics page, or with --config and a ',
        'prometheus.yml. What Prometheus sends by remote write is shown above all the same.'
      )
    );
    return;
  }
  const rank = (target: Target) => (target.health === 'down' ? 0 : 1);
  const sorted = [...targets].sort((a, b) => rank(a) - rank(b));
  const head = element('thead', {}, element('tr', {}, ...COLUMNS.map((name) => element('th', { scope: 'col' }, name))));
  const body = element('tbody', {}, ...sorted.map((target) => row(target, now)));
  host.replaceChildren(element('table', { class: 'stacking' }, head, body));
}
