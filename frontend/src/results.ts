/** Lays out what the backend answered for the view that asked: graph, table or heatmap. */
import {
  CoreApp,
  type DataFrame,
  DataFrameType,
  type DataLink,
  type DataQueryResponse,
  type Field,
  FieldType,
  type PreferredVisualisationType,
} from '@grafana/data';

import { INSTANT_REF_ID_SUFFIX } from './query';
import type { ExemplarTraceIdDestination, PanelQuery } from './types';

/** The label that holds a classic histogram bucket's upper bound. */
const BUCKET_LABEL = 'le';

export interface Layout {
  app: string;
  queries: PanelQuery[];
  /** Where the trace that an exemplar names can be looked at. */
  traceDestinations?: ExemplarTraceIdDestination[];
}

/**
 * Lays out an answer by what its queries ask for.
 *
 * Explore is also told which frames are a graph and which a table. Untold, it draws everything as
 * both: the instant half of a query of type both would stand in the graph as a lone point.
 */
export function layOut(response: DataQueryResponse, { app, queries, traceDestinations }: Layout): DataQueryResponse {
  const byRefId = new Map(queries.map((query) => [query.refId, query]));
  const frames = response.data as DataFrame[];
  const data: DataFrame[] = [];
  const tables = new Map<string, DataFrame[]>();
  const heatmaps = new Map<string, DataFrame[]>();
  for (const frame of frames) {
    const query = byRefId.get(frame.refId ?? '');
    if (isExemplars(frame)) {
      data.push(withTraceLinks(frame, traceDestinations));
    } else if (isTable(frame, query, app)) {
      gather(tables, frame);
    } else if (query?.format === 'heatmap' && isBucket(frame)) {
      gather(heatmaps, frame);
    } else {
      data.push(app === CoreApp.Explore ? withPreferredView(frame) : frame);
    }
  }
  for (const [refId, list] of tables) {
    const severalQueries = new Set(frames.map((frame) => frame.refId)).size > 1;
    data.push(tableOf(list, refId, severalQueries));
  }
  for (const list of heatmaps.values()) {
    data.push(...bucketsOf(list));
  }
  return { ...response, data };
}

function gather(byRefId: Map<string, DataFrame[]>, frame: DataFrame) {
  const refId = frame.refId ?? '';
  byRefId.set(refId, [...(byRefId.get(refId) ?? []), frame]);
}

function isExemplars(frame: DataFrame): boolean {
  return frame.name === 'exemplar' || frame.meta?.custom?.resultType === 'exemplar';
}

/** Explore shows the instant half of a query as a table without being asked. */
function isTable(frame: DataFrame, query: PanelQuery | undefined, app: string): boolean {
  const type = frame.meta?.type;
  if (type !== DataFrameType.TimeSeriesMulti && type !== DataFrameType.NumericMulti) {
    return false;
  }
  if (frame.fields.length === 0) {
    return false;
  }
  return query?.format === 'table' || (app === CoreApp.Explore && type === DataFrameType.NumericMulti);
}

const VIEWS: Partial<Record<DataFrameType, PreferredVisualisationType>> = {
  [DataFrameType.TimeSeriesMulti]: 'graph',
  [DataFrameType.NumericMulti]: 'table',
};

function withPreferredView(frame: DataFrame): DataFrame {
  const type = frame.meta?.type;
  const view = type && VIEWS[type];
  return view ? { ...frame, meta: { ...frame.meta, preferredVisualisationType: view } } : frame;
}

/**
 * One row per sample: its time, a column for each label in their order, its value.
 *
 * The value's column carries the refId where several queries answered, so that panels can join
 * their tables.
 */
function tableOf(frames: DataFrame[], refId: string, severalQueries: boolean): DataFrame {
  const names = new Set<string>();
  for (const frame of frames) {
    Object.keys(valueField(frame)?.labels ?? {}).forEach((name) => names.add(name));
  }
  const times: number[] = [];
  const values: unknown[] = [];
  const columns = new Map([...names].sort().map((name) => [name, [] as string[]]));
  for (const frame of frames) {
    const time = timeField(frame);
    const value = valueField(frame);
    if (!time || !value) {
      continue;
    }
    for (let row = 0; row < frame.length; row += 1) {
      times.push(time.values[row]);
      values.push(value.values[row]);
      for (const [name, column] of columns) {
        column.push(value.labels?.[name] ?? '');
      }
    }
  }
  const first = frames[0];
  const valueName = severalQueries ? `Value #${refId.replace(INSTANT_REF_ID_SUFFIX, '')}` : 'Value';
  const type = first ? valueField(first)?.type : undefined;
  return {
    refId,
    name: refId,
    length: times.length,
    meta: { ...first?.meta, type: DataFrameType.NumericLong, preferredVisualisationType: 'table' },
    fields: [
      { name: 'Time', type: FieldType.time, config: {}, values: times },
      ...[...columns].map(([name, column]): Field => ({
        name,
        type: FieldType.string,
        config: { filterable: true },
        values: column,
      })),
      { name: valueName, type: type ?? FieldType.number, config: {}, values },
    ],
  };
}

function timeField(frame: DataFrame): Field | undefined {
  return frame.fields.find(({ type }) => type === FieldType.time);
}

function valueField(frame: DataFrame): Field | undefined {
  return frame.fields.find(({ type }) => type !== FieldType.time);
}

function isBucket(frame: DataFrame): boolean {
  return frame.meta?.type !== DataFrameType.HeatmapCells && valueField(frame)?.labels?.[BUCKET_LABEL] !== undefined;
}

/**
 * The rows of a heatmap: a classic histogram's buckets count everything below their bound, so each
 * has the one below it taken away. Histograms that differ in other labels are kept apart.
 */
function bucketsOf(frames: DataFrame[]): DataFrame[] {
  const histograms = new Map<string, DataFrame[]>();
  for (const frame of frames) {
    const others = Object.entries(valueField(frame)?.labels ?? {}).filter(([name]) => name !== BUCKET_LABEL);
    const key = JSON.stringify(others.sort(([a], [b]) => (a < b ? -1 : 1)));
    histograms.set(key, [...(histograms.get(key) ?? []), frame]);
  }
  return [...histograms.values()].flatMap((histogram) => rowsOf(histogram));
}

function rowsOf(buckets: DataFrame[]): DataFrame[] {
  const sorted = [...buckets].sort((a, b) => boundOf(a) - boundOf(b));
  return sorted.map((frame, at) => {
    const below = sorted[at - 1];
    const field = valueField(frame) as Field<number>;
    // Series need not have points at the same times; a missing one counts as nothing.
    const belowAt = new Map<number, number>();
    if (below) {
      const times = timeField(below)?.values ?? [];
      const values = valueField(below)?.values ?? [];
      times.forEach((time: number, row: number) => belowAt.set(time, values[row]));
    }
    const times = timeField(frame)?.values ?? [];
    const name = field.labels?.[BUCKET_LABEL] ?? '';
    return {
      ...frame,
      name,
      meta: { ...frame.meta, type: DataFrameType.TimeSeriesMulti },
      fields: frame.fields.map((original) =>
        original === field
          ? {
              ...field,
              name,
              config: { ...field.config, displayNameFromDS: name },
              values: field.values.map((value, row) => {
                const under = belowAt.get(times[row]) ?? 0;
                // Buckets are scraped one after the other: a lower one may be ahead for a moment.
                return Number.isFinite(value - under) ? Math.max(0, value - under) : value;
              }),
            }
          : original
      ),
    };
  });
}

function boundOf(frame: DataFrame): number {
  const bound = valueField(frame)?.labels?.[BUCKET_LABEL] ?? '';
  return /^\+?Inf$/i.test(bound) ? Infinity : Number(bound);
}

/** Puts links to traces on the columns that name one. */
function withTraceLinks(frame: DataFrame, destinations: ExemplarTraceIdDestination[] = []): DataFrame {
  if (destinations.length === 0) {
    return frame;
  }
  const fields = frame.fields.map((field) => {
    const links = destinations.filter(({ name }) => name === field.name).map(traceLink);
    return links.length > 0 ? { ...field, config: { ...field.config, links } } : field;
  });
  return { ...frame, fields };
}

function traceLink(destination: ExemplarTraceIdDestination): DataLink {
  const { datasourceUid, url, urlDisplayLabel } = destination;
  if (datasourceUid) {
    return {
      title: urlDisplayLabel || 'View trace',
      url: '',
      internal: {
        datasourceUid,
        datasourceName: '',
        query: { query: '${__value.raw}', queryType: 'traceql' },
      },
    };
  }
  return { title: urlDisplayLabel || `Go to ${url ?? ''}`, url: url ?? '', targetBlank: true };
}
