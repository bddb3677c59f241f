/** The query box: PromQL, marked where it is wrong, and its answer as a chart and a table. */
import { instant, range, Refused, validate, type Answer, type Position, type Result } from './api';
import { Chart, MOST_LINES, onTimeline } from './chart';
import { byId, element } from './element';
import { labelText, parse, shown } from './numbers';
import { explain, split } from './split';
import type { TimeWindow } from './window';

/** Rows of a table that a person still reads. */
const MOST_ROWS = 200;
/** How long nothing is typed before the text is checked. */
const QUIET_MS = 250;

export class QueryBox {
  private readonly text = byId('query', HTMLTextAreaElement);
  private readonly marks = byId('marks', HTMLDivElement);
  private readonly mistake = byId('mistake', HTMLPreElement);
  private readonly answer = byId('answer', HTMLDivElement);
  private readonly form = byId('query-form', HTMLFormElement);
  private readonly examples = byId('examples', HTMLDivElement);
  private chart: Chart | undefined;
  private running: AbortController | undefined;
  private checking: AbortController | undefined;
  private timer = 0;

  constructor(private readonly window: () => TimeWindow) {
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.run();
    });
    this.form.addEventListener('change', () => {
      if (this.text.value.trim() && this.answer.hasChildNodes()) {
        void this.run();
      }
    });
    this.text.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        void this.run();
      }
    });
    this.text.addEventListener('input', () => this.changed());
    this.text.addEventListener('scroll', () => {
      this.marks.scrollTop = this.text.scrollTop;
    });
  }

  /** Puts a query into the box and asks it. */
  show(expr: string): void {
    this.text.value = expr;
    this.changed();
    this.text.focus();
    this.form.scrollIntoView({ block: 'nearest' });
    void this.run();
  }

  offer(examples: string[]): void {
    const buttons = examples.map((expr) =>
      element('button', { type: 'button', on: { click: () => this.show(expr) } }, expr)
    );
    this.examples.replaceChildren(...buttons);
  }

  recolour(): void {
    this.chart?.recolour();
  }

  private changed(): void {
    // As high as the text, within what the stylesheet allows.
    this.text.rows = Math.min(Math.max(this.text.value.split('\n').length, 2), 12);
    this.mark(undefined);
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.check(), QUIET_MS);
  }

  /** Marks what is wrong with the text. Whether something is; `false` too where nobody can tell. */
  private async check(): Promise<boolean> {
    const text = this.text.value;
    this.checking?.abort();
    if (!text.trim()) {
      return false;
    }
    const checking = new AbortController();
    this.checking = checking;
    const verdict = await validate(text, checking.signal).catch(() => undefined);
    if (!verdict || checking.signal.aborted || this.text.value !== text) {
      return false;
    }
    this.mark(verdict.valid ? undefined : { message: verdict.error ?? '', position: verdict.position });
    return !verdict.valid;
  }

  private mark(found: { message: string; position?: Position } | undefined): void {
    const text = this.text.value;
    this.mistake.hidden = !found;
    this.text.setAttribute('aria-invalid', String(Boolean(found)));
    if (!found?.position) {
      this.marks.replaceChildren();
      this.mistake.textContent = found?.message ?? '';
      return;
    }
    const [before, wrong, behind] = split(text, found.position);
    this.marks.replaceChildren(before, element('mark', {}, wrong), behind);
    this.mistake.textContent = explain(text, found.message, found.position);
  }

  private async run(): Promise<void> {
    const expr = this.text.value;
    if (!expr.trim()) {
      this.text.focus();
      return;
    }
    clearTimeout(this.timer);
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    const over = new FormData(this.form).get('kind') === 'range';
    this.answer.setAttribute('aria-busy', 'true');
    const begin = performance.now();
    try {
      const asked = this.window();
      const found = over
        ? await range(expr, asked, MOST_ROWS, running.signal)
        : await instant(expr, MOST_ROWS, running.signal);
      if (!running.signal.aborted) {
        this.mark(undefined);
        this.write(found, asked, performance.now() - begin);
      }
    } catch (error) {
      if (running.signal.aborted) {
        return;
      }
      if (error instanceof Refused && error.status === 400 && (await this.check())) {
        // The mistake stands below the text, at its place.
        this.chart = undefined;
        this.answer.replaceChildren();
        return;
      }
      this.fail(error);
    } finally {
      if (this.running === running) {
        this.answer.removeAttribute('aria-busy');
      }
    }
  }

  private fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.chart = undefined;
    this.answer.replaceChildren(element('p', { class: 'trouble', role: 'alert' }, message));
  }

  private write(found: Answer<Result>, asked: TimeWindow, tookMs: number): void {
    const { data } = found;
    const notices = [
      ...found.warnings.map((text) => element('p', { class: 'notice' }, `Warning: ${text}`)),
      ...found.infos.map((text) => element('p', { class: 'notice quiet' }, `Info: ${text}`)),
    ];
    const took = `${shown(tookMs / 1000, 'seconds')} from asking to the answer`;
    const said = (text: string) => element('p', { class: 'quiet' }, `${text} · ${took}`);
    const count = (many: number) => `${many} series`;
    const parts: Node[] = [...notices];
    this.chart = undefined;
    switch (data.resultType) {
      case 'matrix': {
        parts.push(said(count(data.result.length)));
        if (data.result.length > 0) {
          const drawn = data.result.slice(0, MOST_LINES);
          this.chart = new Chart('The answer', 'short', 280);
          parts.push(element('div', { class: 'card' }, this.chart.root));
          if (drawn.length < data.result.length) {
            parts.push(element('p', { class: 'quiet' }, `The chart shows the first ${drawn.length}; the table all.`));
          }
          const rows = data.result.map(({ metric, values }): [string, string, string] => {
            const [time, value] = values.at(-1) ?? [0, ''];
            return [labelText(metric), value, new Date(time * 1000).toLocaleTimeString()];
          });
          parts.push(table(['Series', 'Last value', 'At'], rows));
          this.answer.replaceChildren(...parts);
          this.chart.draw(onTimeline(asked, [{ series: drawn }]), [asked.start, asked.end]);
          return;
        }
        break;
      }
      case 'vector': {
        parts.push(said(count(data.result.length)));
        if (data.result.length > 0) {
          const rows = data.result.map(({ metric, value }): [string, string] => [labelText(metric), value[1]]);
          parts.push(table(['Series', 'Value'], rows));
        }
        break;
      }
      default:
        parts.push(said('1 value'), table(['Value'], [[data.result[1]]]));
    }
    if (Array.isArray(data.result) && data.result.length === 0) {
      const empty = 'No series has a sample here. Is the name right, and was it scraped in this time?';
      parts.push(element('p', { class: 'card' }, empty));
    }
    this.answer.replaceChildren(...parts);
  }
}

function table(columns: string[], rows: string[][]): HTMLElement {
  const cell = (text: string, at: number) => {
    const isValue = at > 0 && text !== '' && !Number.isNaN(parse(text));
    return element('td', { 'data-column': columns[at], class: isValue ? 'number' : 'labels' }, text);
  };
  return element(
    'div',
    { class: 'scrolling', tabindex: 0, role: 'region', 'aria-label': 'The answer as a table' },
    element(
      'table',
      {},
      element('thead', {}, element('tr', {}, ...columns.map((name) => element('th', { scope: 'col' }, name)))),
      element('tbody', {}, ...rows.map((row) => element('tr', {}, ...row.map(cell))))
    )
  );
}
