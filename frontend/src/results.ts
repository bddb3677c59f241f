/** Lays out what the backend answered for the panel or page that asked. */
import {
  CoreApp,
  type DataFrame,
  DataFrameType,
  type DataQueryRequest,
  type DataQueryResponse,
  type Field,
  getFieldDisplayName,
  type PreferredVisualisationType,
} from '@grafana/data';

import { AUTO_LEGEND, INSTANT_REF_ID_SUFFIX } from './query';
import { type LinkTarget, withTraceLinks } from './shaping/exemplars';
import { heatmapRows } from './shaping/heatmap';
import { VALUE } from './shaping/series';
import { tables } from './shaping/table';
import type { ExemplarTraceIdDestination, PanelQuery, ResultFormat } from './types';

/** What the layout depends on beside the answer. */
export interface Layout {
  request: Pick<DataQueryRequest<PanelQuery>, 'app' | 'targets'>;
  /** Where the traces of exemplars are found, from the data source's settings. */
  exemplarLinks?: ExemplarTraceIdDestination[];
  /** The name of another data source; `undefined` where there is none with this uid. */
  dataSourceName: (uid: string) => string | undefined;
}

type Shape = 'exemplar' | 'table' | 'heatmap' | 'series';

/**
 * Turns an answer's frames, one per series, into what their query's format asks for: a table of all
 * series, the rows of a heatmap, or the series as they came. Exemplars become marks over the graph.
 *
 * Series come first, then tables, heatmaps and exemplars, each in the order of the answer.
 */
export function layOut(response: DataQueryResponse, layout: Layout): DataQueryResponse {
  const formats = new Map<string, ResultFormat | undefined>();
  for (const { refId, format } of layout.request.targets) {
    formats.set(refId, format);
    formats.set(refId + INSTANT_REF_ID_SUFFIX, format);
  }
  const namedByGrafana = new Set(
    layout.request.targets.filter(({ legendFormat }) => legendFormat === AUTO_LEGEND).map(({ refId }) => refId)
  );
  const inExplore = layout.request.app === CoreApp.Explore;
  const by: Record<Shape, DataFrame[]> = { series: [], table: [], heatmap: [], exemplar: [] };
  for (const frame of response.data as DataFrame[]) {
    by[shapeOf(frame, formats.get(frame.refId ?? ''), inExplore)].push(frame);
  }
  by.series = by.series.map((frame) =>
    namedByGrafana.has(frame.refId ?? '') ? withoutMetricTwice(frame, response.data) : frame
  );
  const links = (layout.exemplarLinks ?? []).map((link): LinkTarget => {
    const name = link.datasourceUid ? layout.dataSourceName(link.datasourceUid) : undefined;
    return { ...link, dataSourceName: name };
  });
  return {
    ...response,
    data: [
      ...(inExplore ? by.series.map(asGraph) : by.series),
      ...tables(by.table).map((frame) => preferring(frame, 'rawPrometheus')),
      ...heatmapRows(by.heatmap),
      ...by.exemplar.map((frame) => withTraceLinks(frame, links)),
    ],
  };
}

/**
 * The backend calls a value after its metric, and beside other queries Grafana would write that name
 * in front of the labels, which hold it too. Its Prometheus data source has such values named as if
 * they were called nothing.
 */
function withoutMetricTwice(frame: DataFrame, all: DataFrame[]): DataFrame {
  const twice = ({ name, labels }: Field) => labels?.__name__ !== undefined && labels.__name__ === name;
  if (!frame.fields.some(twice)) {
    return frame;
  }
  const fields = frame.fields.map((field) => {
    if (!twice(field)) {
      return field;
    }
    const name = getFieldDisplayName({ ...field, name: VALUE }, frame, all);
    return { ...field, config: { ...field.config, displayNameFromDS: name } };
  });
  return { ...frame, fields };
}

function shapeOf(frame: DataFrame, format: ResultFormat | undefined, inExplore: boolean): Shape {
  const resultType: unknown = frame.meta?.custom?.resultType;
  if (resultType === 'exemplar') {
    return 'exemplar';
  }
  // A native histogram comes as cells already, whatever the format.
  if (frame.meta?.type === DataFrameType.HeatmapCells) {
    return 'series';
  }
  // Explore shows the instant half of a query as a table below the graph, where a panel draws it.
  if (inExplore && (resultType === 'vector' || resultType === 'scalar')) {
    return 'table';
  }
  return format === 'table' || format === 'heatmap' ? format : 'series';
}

/** Untold, Explore would draw an answer as a graph and as a table. */
function asGraph(frame: DataFrame): DataFrame {
  return frame.meta?.type === DataFrameType.TimeSeriesMulti ? preferring(frame, 'graph') : frame;
}

function preferring(frame: DataFrame, view: PreferredVisualisationType): DataFrame {
  return { ...frame, meta: { ...frame.meta, preferredVisualisationType: view } };
}
