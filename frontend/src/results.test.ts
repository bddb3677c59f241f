import { CoreApp, DataFrameType, type DataQueryResponse } from '@grafana/data';

import { layOut } from './results';

const frame = (refId: string, type: DataFrameType) => ({
  refId,
  fields: [],
  length: 0,
  meta: { type, custom: { a: 1 } },
});

const response: DataQueryResponse = {
  data: [
    frame('A', DataFrameType.TimeSeriesMulti),
    frame('A-Instant', DataFrameType.NumericMulti),
    frame('B', DataFrameType.HeatmapCells),
  ],
  errors: [{ message: 'kept' }],
};

test('Explore draws ranges as a graph and instants as a table', () => {
  const laidOut = layOut(response, CoreApp.Explore);
  expect(laidOut.data.map(({ meta }) => meta.preferredVisualisationType)).toEqual(['graph', 'table', undefined]);
  expect(laidOut.data[0].meta.custom).toEqual({ a: 1 });
  expect(laidOut.errors).toEqual([{ message: 'kept' }]);
});

test('a panel gets the answer as it came', () => {
  expect(layOut(response, CoreApp.Dashboard)).toBe(response);
});
