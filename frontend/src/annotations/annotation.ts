/**
 * Annotations as Grafana's Prometheus data source saves and means them: each sample that is not
 * zero is an event, and events at consecutive steps are one region.
 */
import { type AnnotationEvent, type AnnotationQuery, type DataFrame, FieldType, type Labels } from '@grafana/data';
import { of } from 'rxjs';

import type { PanelQuery } from '../types';

/** What an annotation holds beyond what Grafana knows of. */
export interface HeadwaterAnnotation extends AnnotationQuery<PanelQuery> {
  expr?: string;
  /** The distance of the points that are looked at. */
  step?: string;
  titleFormat?: string;
  textFormat?: string;
  /** Labels whose values are the tags, with commas between them. */
  tagKeys?: string;
  /** The sample's value is the time of the event, in milliseconds. */
  useValueForTime?: boolean | string;
}

export const DEFAULT_STEP = '60s';
const REF_ID = 'Anno';

/**
 * Brings old annotations, whose expression stands beside their name, into today's shape.
 *
 * One that has it is returned itself: Grafana's editor stores whatever else comes back, and then
 * asks again, so that a copy would have it do that for ever.
 */
export function prepareAnnotation(json: HeadwaterAnnotation): HeadwaterAnnotation {
  const { target } = json;
  const refId = target?.refId || REF_ID;
  const expr = target?.expr ?? json.expr ?? '';
  const interval = target?.interval ?? json.step;
  const isPrepared = target && target.refId === refId && target.expr === expr && target.interval === interval;
  return isPrepared ? json : { ...json, target: { ...target, refId, expr, interval } };
}

/** The query of an annotation; none while it has no expression. */
export function prepareQuery(annotation: HeadwaterAnnotation): PanelQuery | undefined {
  const { target } = prepareAnnotation(annotation);
  const expr = target?.expr ?? '';
  if (expr.trim() === '') {
    return undefined;
  }
  return {
    ...target,
    refId: target?.refId || REF_ID,
    expr,
    interval: target?.interval || DEFAULT_STEP,
    range: true,
    instant: false,
    exemplar: false,
    format: 'time_series',
  };
}

export function processEvents(annotation: HeadwaterAnnotation, frames: DataFrame[]) {
  return of(frames.flatMap((frame) => eventsOf(annotation, frame)));
}

function eventsOf(annotation: HeadwaterAnnotation, frame: DataFrame): AnnotationEvent[] {
  const times = frame.fields.find(({ type }) => type === FieldType.time);
  const values = frame.fields.find(({ type }) => type === FieldType.number);
  if (!times || !values) {
    return [];
  }
  const labels = values.labels ?? {};
  const about = describe(annotation, labels);
  const points: Array<[time: number, value: number]> = [];
  for (let row = 0; row < frame.length; row += 1) {
    const value = Number(values.values[row]);
    // Nothing, zero and NaN are no events.
    if (value) {
      points.push([Number(times.values[row]), value]);
    }
  }
  if (annotation.useValueForTime === true || annotation.useValueForTime === 'on') {
    const moments = new Set(points.map(([, value]) => Math.floor(value)));
    return [...moments].map((time) => ({ ...about, time }));
  }
  const step = times.config.interval ?? 0;
  const regions: Array<[start: number, end: number]> = [];
  for (const [time] of points) {
    const last = regions.at(-1);
    if (last && time - last[1] <= step) {
      last[1] = time;
    } else {
      regions.push([time, time]);
    }
  }
  return regions.map(([time, timeEnd]) =>
    timeEnd > time ? { ...about, time, timeEnd, isRegion: true } : { ...about, time }
  );
}

function describe({ titleFormat, textFormat, tagKeys, annotation }: HeadwaterAnnotation, labels: Labels) {
  const keys = (tagKeys ?? '').split(',').map((key) => key.trim());
  const tags = keys.map((key) => labels[key]).filter((value): value is string => Boolean(value));
  return {
    ...(annotation ? { annotation } : {}),
    title: fillIn(titleFormat ?? '', labels),
    text: fillIn(textFormat ?? '', labels),
    tags,
  };
}

/** Puts labels' values where the format names them: `{{job}}`; a label that is not there keeps its name. */
function fillIn(format: string, labels: Labels): string {
  return format.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, name: string) => labels[name] ?? name);
}
