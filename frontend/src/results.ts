/** Lays out what the backend answered for the page that asked. */
import {
  CoreApp,
  type DataFrame,
  DataFrameType,
  type DataQueryResponse,
  type PreferredVisualisationType,
} from '@grafana/data';

/**
 * Tells Explore which answers are a graph and which a table.
 *
 * Untold, it draws everything as both: the instant half of a query of type both would stand in the
 * graph as a lone point of a series that is there already. Panels choose their own view.
 */
export function layOut(response: DataQueryResponse, app: string): DataQueryResponse {
  if (app !== CoreApp.Explore) {
    return response;
  }
  return { ...response, data: response.data.map(withPreferredView) };
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
