/** The page of `demo` and `serve`: panels, a query box and the targets, kept up to date. */
import * as api from './api';
import { Chart, latest, MOST_LINES, onTimeline } from './chart';
import { byId, element } from './element';
import { durationSeconds, durationText, shown } from './numbers';
import './page.css';
import { choosePanels, panelOf, type Panel } from './panels';
import { QueryBox } from './query';
import { showTargets } from './targets';
import { theme } from './theme';
import { RANGES, timeWindow, type TimeWindow } from './window';

/** The page asks as often as is scraped, within these bounds. */
const FASTEST_MS = 1_000;
const SLOWEST_MS = 15_000;
/** What is scraped where nobody says how often. */
const USUAL_INTERVAL = 15;
const DEFAULT_RANGE = 300;

interface Shown {
  panel: Panel;
  chart: Chart;
  value: HTMLElement;
  trouble: HTMLElement;
  expr: HTMLElement;
}

class Page {
  private panels: Shown[] = [];
  private added: string[] = [];
  private names: string[] = [];
  private metadata: api.Metadata = {};
  private targets: api.Target[] = [];
  private stored: { series: number; since: number | undefined } = { series: 0, since: undefined };
  /** Seconds that the server's clock is ahead of the browser's. */
  private ahead = 0;
  private shape: string | undefined;
  private timer = 0;
  private paused = false;
  private readonly range = byId('range', HTMLSelectElement);
  private readonly trouble = byId('trouble', HTMLParagraphElement);
  private readonly tokenForm = byId('token', HTMLFormElement);
  private readonly box = new QueryBox(() => this.window());

  start(): void {
    for (const [seconds, name] of RANGES) {
      this.range.append(element('option', { value: seconds, selected: seconds === DEFAULT_RANGE }, name));
    }
    this.range.addEventListener('change', () => void this.turn());
    theme(() => {
      this.panels.forEach(({ chart }) => chart.recolour());
      this.box.recolour();
    });
    const pause = byId('pause', HTMLButtonElement);
    pause.addEventListener('click', () => {
      this.paused = !this.paused;
      pause.textContent = this.paused ? 'Go on' : 'Pause';
      pause.setAttribute('aria-pressed', String(this.paused));
      void this.turn();
    });
    document.addEventListener('visibilitychange', () => void this.turn());
    this.tokenForm.addEventListener('submit', (event) => {
      event.preventDefault();
      api.enterToken(byId('token-text', HTMLInputElement).value);
      this.tokenForm.hidden = true;
      void this.turn();
    });
    byId('add', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      const input = byId('add-metric', HTMLInputElement);
      if (this.names.includes(input.value) && !this.added.includes(input.value)) {
        this.added.push(input.value);
        input.value = '';
        this.choose();
        void this.turn();
      }
    });
    void this.turn();
  }

  private interval(): number {
    const intervals = this.targets.map((target) => durationSeconds(target.scrapeInterval)).filter((s) => s > 0);
    return intervals.length > 0 ? Math.min(...intervals) : USUAL_INTERVAL;
  }

  private now(): number {
    return Date.now() / 1000 + this.ahead;
  }

  private window(): TimeWindow {
    return timeWindow(this.now(), Number(this.range.value), this.interval(), this.stored.since);
  }

  /** Asks for everything once, and plans the next time. */
  private async turn(): Promise<void> {
    clearTimeout(this.timer);
    if (document.hidden) {
      return;
    }
    try {
      await this.refresh();
      this.tell('');
    } catch (error) {
      if (error instanceof api.Refused && error.status === 401) {
        this.tokenForm.hidden = false;
        this.tell('');
        return;
      }
      this.tell(error instanceof Error ? error.message : String(error));
    }
    clearTimeout(this.timer);
    if (!this.paused) {
      const wait = Math.min(Math.max(this.interval() * 1000, FASTEST_MS), SLOWEST_MS);
      this.timer = window.setTimeout(() => void this.turn(), wait);
    }
  }

  private tell(text: string): void {
    // Written only when it changes, so that it is not read out again and again.
    if (this.trouble.textContent !== text) {
      this.trouble.textContent = text;
      this.trouble.hidden = text === '';
    }
  }

  private async refresh(): Promise<void> {
    const [time, targets, stored, names] = await Promise.all([
      api.instant('time()', 1),
      api.targets(),
      api.stored(),
      api.metricNames(),
    ]);
    if (time.data.resultType === 'scalar') {
      this.ahead = Number(time.data.result[1]) - Date.now() / 1000;
    }
    this.targets = targets;
    this.stored = stored;
    const shape = names.join('\n');
    if (shape !== this.shape) {
      this.metadata = await api.metadata();
      this.names = names;
      this.shape = shape;
      this.choose();
    }
    this.summarise();
    showTargets(byId('targets', HTMLDivElement), targets, this.now());
    const window = this.window();
    await Promise.all(this.panels.map((shown) => draw(shown, window)));
  }

  private summarise(): void {
    const up = this.targets.filter((target) => target.health === 'up').length;
    const parts = [`${this.stored.series} series`];
    if (this.targets.length > 0) {
      parts.unshift(`${up} of ${this.targets.length} ${this.targets.length === 1 ? 'target' : 'targets'} up`);
    }
    byId('summary', HTMLParagraphElement).textContent = parts.join(' · ');
  }

  /** Lays out the panels for the metrics that are there; those that stay keep their charts. */
  private choose(): void {
    const known = new Set(this.names);
    const chosen = choosePanels(this.names, this.metadata);
    chosen.push(...this.added.map((name) => panelOf(name, known, this.metadata)));
    const before = new Map(this.panels.map((shown) => [shown.panel.title, shown]));
    this.panels = chosen.map((panel) => before.get(panel.title) ?? this.lay(panel));
    const host = byId('panels', HTMLDivElement);
    if (this.panels.length === 0) {
      const write = new URL('api/v1/write', location.href).href;
      host.replaceChildren(
        element(
          'p',
          { class: 'card' },
          'No samples yet. They come from the pages that serve scrapes (--scrape), and from Prometheus by remote ',
          'write to ',
          element('code', {}, write),
          '.'
        )
      );
    } else {
      host.replaceChildren(...this.panels.map(({ chart }) => chart.root.closest('figure') ?? chart.root));
    }
    byId('add', HTMLFormElement).hidden = this.names.length === 0;
    const options = this.names.map((name) => element('option', { value: name }));
    byId('metric-names', HTMLDataListElement).replaceChildren(...options);
    this.box.offer(this.examples(chosen));
  }

  private lay(panel: Panel): Shown {
    const chart = new Chart(panel.title, panel.unit);
    const value = element('output', { class: 'latest' });
    const trouble = element('p', { class: 'trouble', hidden: true });
    const expr = element('code', {});
    const ask = () => this.box.show(expr.textContent ?? '');
    element(
      'figure',
      { class: 'card panel' },
      element('figcaption', {}, element('h3', {}, panel.title), value),
      element('p', { class: 'quiet about', title: panel.about }, panel.about),
      chart.root,
      trouble,
      element('button', { type: 'button', class: 'expr', title: 'Ask this in the query box', on: { click: ask } }, expr)
    );
    return { panel, chart, value, trouble, expr };
  }

  private examples(panels: Panel[]): string[] {
    const rate = durationText(this.window().rateSeconds);
    const wiki = this.names.includes('users_created_total')
      ? [`sum by (endpoint) (rate(http_requests_total[${rate}]))`, 'topk(3, http_requests_total)']
      : [];
    const first = panels.slice(0, 2).map((panel) => filled(panel.queries[0]?.expr ?? '', this.window()));
    return this.names.length === 0 ? [] : [...new Set([...wiki, ...first, 'up'])];
  }
}

function filled(expr: string, window: TimeWindow): string {
  return expr.replaceAll('$window', durationText(window.rateSeconds));
}

async function draw(shown_: Shown, window: TimeWindow): Promise<void> {
  const { panel, chart, value, trouble, expr } = shown_;
  expr.textContent = filled(panel.queries[0]?.expr ?? '', window);
  try {
    const answers = await Promise.all(
      panel.queries.map(async (query) => {
        const { data } = await api.range(filled(query.expr, window), window, MOST_LINES);
        return { series: data.resultType === 'matrix' ? data.result : [], name: query.name };
      })
    );
    const lines = onTimeline(window, answers);
    chart.draw(lines, window.span);
    const first = lines.lines[0];
    value.textContent =
      first && lines.lines.length <= panel.queries.length ? shown(latest(first.values), panel.unit) : '';
    trouble.hidden = true;
  } catch (error) {
    if (!(error instanceof api.Refused) || error.status === 401) {
      throw error;
    }
    trouble.textContent = error.message;
    trouble.hidden = false;
  }
}

new Page().start();

void api
  .version()
  .then((version) => {
    byId('version', HTMLSpanElement).textContent = `Headwater ${version}`;
  })
  // Without it the footer names no version.
  .catch(() => undefined);
