/** Lines over time, drawn by uPlot in the page's colours. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

import type { Series } from './api';
import { element } from './element';
import { labelText, parse, shown, type Unit } from './numbers';

/** Lines on one timeline, in seconds. */
export interface Lines {
  times: number[];
  lines: Array<{ name: string; values: Array<number | null> }>;
}

/** From and to, in seconds. */
export type Span = [number, number];

/** Lines that one chart can still be read with. */
export const MOST_LINES = 12;
const COLOURS = 6;
const HEIGHT = 150;

/** The answers of a range on the timeline that it asked for; what has no value is a gap. */
export function onTimeline(
  window: { start: number; end: number; step: number },
  answers: Array<{ series: Series[]; name?: string }>
): Lines {
  const count = Math.floor((window.end - window.start) / window.step + 1e-6) + 1;
  const times = Array.from({ length: count }, (_, at) => window.start + at * window.step);
  const lines = answers.flatMap(({ series, name }) =>
    series.map(({ metric, values }) => {
      const line: Array<number | null> = new Array(count).fill(null);
      for (const [time, text] of values) {
        const value = parse(text);
        const at = Math.round((time - window.start) / window.step);
        if (at >= 0 && at < count && Number.isFinite(value)) {
          line[at] = value;
        }
      }
      return { name: name ?? labelText(metric), values: line };
    })
  );
  return { times, lines };
}

/** The newest value of a line that is not older than the last few steps. */
export function latest(values: Array<number | null>): number | null {
  const last = values.slice(-3).filter((value) => value !== null);
  return last.at(-1) ?? null;
}

const AXIS_FONT = '12px system-ui, sans-serif';
const TICK = 10;
const GAP = 5;
/** Room for most texts on the axis of values: charts above each other begin at one line. */
const AXIS_WIDTH = 66;

/** A colour of the page in the theme in force; the property itself holds those of both. */
function fresh(name: string): string {
  const probe = element('span', { hidden: true });
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** As wide as the longest text on the axis of values needs it: what needs more than there is is cut at the left. */
function axisWidth({ ctx }: uPlot, texts: string[] | null): number {
  // uPlot knows which font it has set, so this one must not stay.
  ctx.save();
  ctx.font = AXIS_FONT;
  const widths = (texts ?? []).map((text) => ctx.measureText(text).width);
  ctx.restore();
  return Math.max(AXIS_WIDTH, Math.ceil(Math.max(0, ...widths)) + GAP + TICK + 1);
}

const clock = uPlot.fmtDate('{HH}:{mm}:{ss}');
const clockWithoutSeconds = uPlot.fmtDate('{HH}:{mm}');
const day = uPlot.fmtDate('{YYYY}-{MM}-{DD}');

/** One chart with its legend, in an element of its own. */
export class Chart {
  readonly root: HTMLElement;
  private readonly canvas = element('div', { class: 'canvas', role: 'img' });
  private readonly legend = element('ul', { class: 'legend' });
  private plot: uPlot | undefined;
  private drawn: Lines = { times: [], lines: [] };
  private span: Span = [0, 1];
  private shape = '';

  constructor(
    private readonly title: string,
    private readonly unit: Unit,
    private readonly height = HEIGHT
  ) {
    this.root = element('div', { class: 'chart' }, this.canvas, this.legend);
    new ResizeObserver(() => {
      if (this.canvas.clientWidth > 0) {
        this.plot?.setSize({ width: this.canvas.clientWidth, height: this.height });
      }
    }).observe(this.canvas);
  }

  /** Draws `lines` over `span`, of which the data may fill only a part. */
  draw(lines: Lines, span: Span): void {
    this.drawn = lines;
    this.span = span;
    const shape = JSON.stringify(lines.lines.map((line) => line.name));
    const data: uPlot.AlignedData = [lines.times, ...lines.lines.map((line) => line.values)];
    if (this.plot && shape === this.shape) {
      this.plot.setData(data, true);
    } else {
      this.shape = shape;
      this.make(data);
    }
    this.describe();
    this.writeLegend(null);
  }

  /** Takes on the colours of the theme. */
  recolour(): void {
    if (this.plot) {
      this.make(this.plot.data);
      this.writeLegend(null);
    }
  }

  private make(data: uPlot.AlignedData): void {
    this.plot?.destroy();
    const single = this.drawn.lines.length === 1;
    const grid = { stroke: fresh('--grid'), width: 1 };
    const axis = { stroke: fresh('--quiet'), grid, ticks: { ...grid, size: TICK }, gap: GAP, font: AXIS_FONT };
    this.plot = new uPlot(
      {
        width: Math.max(this.canvas.clientWidth, 200),
        height: this.height,
        legend: { show: false },
        cursor: { sync: { key: 'headwater' }, drag: { setScale: false, x: false, y: false } },
        scales: {
          x: { range: () => this.span },
          y: { range: { min: { soft: 0, mode: 1, pad: 0.1 }, max: { pad: 0.1, mode: 2, soft: 0 } } },
        },
        axes: [
          {
            ...axis,
            size: 32,
            space: 70,
            values: (_plot, splits, _axis, _space, step) =>
              splits.map((split) => {
                const time = new Date(split * 1000);
                return step >= 86_400 ? day(time) : step >= 60 ? clockWithoutSeconds(time) : clock(time);
              }),
          },
          {
            ...axis,
            size: axisWidth,
            space: 30,
            values: (_plot, splits) => splits.map((split) => shown(split, this.unit)),
          },
        ],
        series: [
          {},
          ...this.drawn.lines.map((_, at) => {
            const colour = fresh(`--line-${at % COLOURS}`);
            return {
              stroke: colour,
              width: 2,
              fill: single ? `color-mix(in srgb, ${colour} 13%, transparent)` : undefined,
              // Lines beyond the colours there are get dashes, so that no two look the same.
              dash: at < COLOURS ? undefined : [6, 4],
              points: { show: data[0].length < 3 },
              spanGaps: false,
            };
          }),
        ],
        hooks: { setCursor: [(plot) => this.writeLegend(plot.cursor.idx ?? null)] },
      },
      data,
      this.canvas
    );
  }

  /** Names and values, under the cursor or the latest. */
  private writeLegend(at: number | null): void {
    const items = this.drawn.lines.map(({ name, values }, index) => {
      const value = at === null ? latest(values) : (values[at] ?? null);
      const dashed = index < COLOURS ? '' : ' dashed';
      return element(
        'li',
        {},
        element('span', { class: `swatch line-${index % COLOURS}${dashed}` }),
        element('span', { class: 'name', title: name }, name),
        element('span', { class: 'value' }, shown(value, this.unit))
      );
    });
    this.legend.replaceChildren(...items);
  }

  private describe(): void {
    const now = this.drawn.lines.map((line) => `${line.name} ${shown(latest(line.values), this.unit)}`);
    this.canvas.setAttribute('aria-label', `${this.title}: ${now.join(', ') || 'no data'}`);
  }
}
