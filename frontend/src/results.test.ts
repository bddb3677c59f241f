import {
  CoreApp,
  type DataFrame,
  DataFrameType,
  type DataQueryResponse,
  DataTopic,
  type Field,
  FieldType,
  getFieldDisplayName,
  type Labels,
} from '@grafana/data';

import { layOut, type Layout } from './results';
import type { ExemplarTraceIdDestination, PanelQuery } from './types';

/** A frame as the backend sends it: one series. */
function series(refId: string, labels: Labels, points: Array<[number, number]>, resultType = 'matrix'): DataFrame {
  return {
    refId,
    length: points.length,
    fields: [
      { name: 'Time', type: FieldType.time, config: { interval: 1000 }, values: points.map(([time]) => time) },
      { name: 'Value', type: FieldType.number, config: {}, labels, values: points.map(([, value]) => value) },
    ],
    meta: {
      type: resultType === 'matrix' ? DataFrameType.TimeSeriesMulti : DataFrameType.NumericMulti,
      typeVersion: [0, 1],
      custom: { resultType },
    },
  };
}

const NOTHING: DataFrame = { refId: 'A', fields: [], length: 0, meta: { notices: [{ severity: 'info', text: 'n' }] } };

function laidOut(data: DataFrame[], targets: PanelQuery[], more: Partial<Layout> & { app?: string } = {}): DataFrame[] {
  const { app = CoreApp.Dashboard, ...rest } = more;
  const layout: Layout = { request: { app, targets }, dataSourceName: () => undefined, ...rest };
  return layOut({ data }, layout).data;
}

/** The first of some, which a test expects to be there. */
function first<T>(some: T[]): T {
  const [one] = some;
  if (one === undefined) {
    throw new Error('there is none');
  }
  return one;
}

/** The columns of a frame, by name. */
const columns = (frame: DataFrame) => Object.fromEntries(frame.fields.map(({ name, values }) => [name, values]));

test('beside another query a metric stands once in an automatic name', () => {
  const up = { __name__: 'up', job: 'wiki' };
  const frames = () => {
    const named = series('A', up, [[1, 1]]);
    return [
      { ...named, fields: named.fields.map((field) => (field.labels ? { ...field, name: 'up' } : field)) },
      series('B', {}, [[1, 1]]),
    ];
  };
  const shown = (legendFormat: string | undefined) => {
    const data = laidOut(frames(), [{ refId: 'A', legendFormat }, { refId: 'B' }]);
    return data.map((frame) => getFieldDisplayName(frame.fields[1] as Field, frame, data));
  };
  expect(shown('__auto')).toEqual(['{__name__="up", job="wiki"}', 'Value']);
  expect(shown(undefined)).toEqual(['up {__name__="up", job="wiki"}', 'Value']);
});

test('a panel of time series gets the frames as they came, and errors stay', () => {
  const frame = series('A', { job: 'a' }, [[1, 2]]);
  const response: DataQueryResponse = { data: [frame], errors: [{ message: 'kept' }] };
  const { data, errors } = layOut(response, {
    request: { app: CoreApp.Dashboard, targets: [{ refId: 'A', format: 'time_series' }] },
    dataSourceName: () => undefined,
  });
  expect(data).toHaveLength(1);
  expect(data[0]).toBe(frame);
  expect(errors).toEqual([{ message: 'kept' }]);
});

test('a table has a column for every label of any series, and the value last', () => {
  const frames = laidOut(
    [
      series('A', { __name__: 'm', job: 'a' }, [
        [1, 10],
        [2, 11],
      ]),
      series('A', { __name__: 'm', instance: 'i' }, [[1, 20]]),
    ],
    [{ refId: 'A', format: 'table' }]
  );
  const table = first(frames);
  expect(frames).toHaveLength(1);
  expect(table.fields.map(({ name }) => name)).toEqual(['Time', '__name__', 'job', 'instance', 'Value']);
  // By time, and of one time by series.
  expect(columns(table)).toEqual({
    Time: [1, 1, 2],
    __name__: ['m', 'm', 'm'],
    job: ['a', '', 'a'],
    instance: ['', 'i', ''],
    Value: [10, 20, 11],
  });
  expect(table.length).toBe(3);
  expect(table.meta?.type).toBeUndefined();
  expect(table.meta?.custom).toEqual({ resultType: 'matrix' });
});

test('several queries as tables have values of different names, which overrides refer to', () => {
  const frames = laidOut(
    [series('A', {}, [[1, 10]], 'vector'), series('B', {}, [[1, 20]], 'vector')],
    [
      { refId: 'A', format: 'table' },
      { refId: 'B', format: 'table' },
    ]
  );
  expect(frames.map(columns)).toEqual([
    { Time: [1], 'Value #A': [10] },
    { Time: [1], 'Value #B': [20] },
  ]);
});

test('bounds of buckets are numbers in a table', () => {
  const table = first(
    laidOut(
      [series('A', { le: '0.5' }, [[1, 1]]), series('A', { le: '+Inf' }, [[1, 2]]), series('A', {}, [[1, 3]])],
      [{ refId: 'A', format: 'table' }]
    )
  );
  expect(table.fields.at(1)).toMatchObject({ name: 'le', type: FieldType.number, values: [0.5, Infinity, NaN] });
});

test('an empty table keeps its notices', () => {
  expect(first(laidOut([NOTHING], [{ refId: 'A', format: 'table' }])).meta?.notices).toHaveLength(1);
});

test('Explore draws ranges as a graph and lists instants, of one query too', () => {
  const data = [series('A', { job: 'a' }, [[1, 2]]), series('A-Instant', { job: 'a' }, [[1, 2]], 'vector')];
  const frames = laidOut(data, [{ refId: 'A' }], { app: CoreApp.Explore });
  expect(frames.map(({ meta }) => meta?.preferredVisualisationType)).toEqual(['graph', 'rawPrometheus']);
  expect(frames.map(columns).at(1)).toEqual({ Time: [1], job: ['a'], Value: [2] });
});

test('a panel draws instants as they came, the instant half of a table is a table', () => {
  const data = [series('A', {}, [[1, 2]]), series('A-Instant', {}, [[1, 2]], 'vector')];
  expect(laidOut(data, [{ refId: 'A' }])).toEqual(data);
  expect(laidOut(data, [{ refId: 'A', format: 'table' }]).map((frame) => frame.fields.at(-1)?.name)).toEqual([
    'Value #A',
    'Value #A-Instant',
  ]);
});

test('buckets become rows that hold what is new in them, in the order of their bounds', () => {
  const frames = laidOut(
    [
      series('A', { le: '+Inf' }, [
        [1, 10],
        [2, 10],
      ]),
      series('A', { le: '10' }, [
        [1, 6],
        [2, 7],
      ]),
      series('A', { le: '5' }, [
        [1, 1],
        [2, 8],
      ]),
    ],
    [{ refId: 'A', format: 'heatmap' }]
  );
  const rows = first(frames);
  expect(frames).toHaveLength(1);
  expect(rows.meta?.type).toBe(DataFrameType.HeatmapRows);
  expect(rows.fields.map(({ name }) => name)).toEqual(['Time', '5', '10', '+Inf']);
  // At 2 the bucket up to 10 holds less than the one below it: nothing is in between.
  expect(columns(rows)).toEqual({ Time: [1, 2], '5': [1, 8], '10': [5, 0], '+Inf': [4, 3] });
  expect(rows.fields.at(1)?.config.displayNameFromDS).toBe('5');
});

test('a bucket without a sample is a gap, and the one above it counts from the one below', () => {
  const rows = first(
    laidOut(
      [
        series('A', { le: '1' }, [
          [1, 2],
          [2, 3],
        ]),
        series('A', { le: '2' }, [[1, 4]]),
        series('A', { le: '+Inf' }, [[2, 9]]),
      ],
      [{ refId: 'A', format: 'heatmap' }]
    )
  );
  expect(columns(rows)).toEqual({ Time: [1, 2], '1': [2, 3], '2': [2, null], '+Inf': [null, 6] });
});

test('each histogram is a heatmap of its own, and its first label is the bound', () => {
  const frames = laidOut(
    [
      series('A', { instance: 'a', le: '1' }, [[1, 1]]),
      series('A', { instance: 'b', le: '1' }, [[1, 5]]),
      series('A', { instance: 'a', le: '+Inf' }, [[1, 3]]),
    ],
    [{ refId: 'A', format: 'heatmap' }]
  );
  expect(frames.map(columns)).toEqual([
    { Time: [1], '1': [1], '+Inf': [2] },
    { Time: [1], '1': [5] },
  ]);
  expect(Object.keys(first(frames).fields.at(1)?.labels ?? {})[0]).toBe('le');
});

test('series that are no buckets are rows as they are', () => {
  const rows = first(
    laidOut(
      [series('A', { size: 's' }, [[1, 5]]), series('A', { size: 'l' }, [[1, 3]])],
      [{ refId: 'A', format: 'heatmap' }]
    )
  );
  expect(rows.fields.slice(1).map(({ values }) => values)).toEqual([[5], [3]]);
});

test('native histograms are cells already', () => {
  const cells: DataFrame = { refId: 'A', fields: [], length: 0, meta: { type: DataFrameType.HeatmapCells } };
  expect(laidOut([cells], [{ refId: 'A', format: 'heatmap' }])).toEqual([cells]);
});

describe('exemplars', () => {
  const exemplars: DataFrame = {
    refId: 'A',
    name: 'exemplar',
    length: 1,
    fields: [
      { name: 'Time', type: FieldType.time, config: {}, values: [1] },
      { name: 'Value', type: FieldType.number, config: {}, values: [2] },
      { name: 'trace_id', type: FieldType.string, config: {}, values: ['abc'] },
    ],
    meta: { custom: { resultType: 'exemplar' } },
  };
  const links = (exemplarLinks: ExemplarTraceIdDestination[]) =>
    first(
      laidOut([exemplars], [{ refId: 'A', format: 'table' }], {
        exemplarLinks,
        dataSourceName: (uid) => (uid === 'tempo' ? 'Tempo' : undefined),
      })
    ).fields.at(2)?.config.links;

  test('are marks over the graph, whatever the format', () => {
    expect(first(laidOut([exemplars], [{ refId: 'A', format: 'table' }])).meta?.dataTopic).toBe(DataTopic.Annotations);
  });

  test('lead to the data source that holds their traces', () => {
    expect(links([{ name: 'trace_id', datasourceUid: 'tempo' }])).toEqual([
      {
        title: 'Query with Tempo',
        url: '',
        internal: {
          query: { query: '${__value.raw}', queryType: 'traceId' },
          datasourceUid: 'tempo',
          datasourceName: 'Tempo',
        },
      },
    ]);
  });

  test('lead to an address', () => {
    const url = 'https://traces/${__value.raw}';
    expect(links([{ name: 'trace_id', url, urlDisplayLabel: 'Open' }])).toEqual([
      { title: 'Open', url, targetBlank: true },
    ]);
  });

  test('lead nowhere by another label, or where the data source is gone', () => {
    expect(links([{ name: 'other', url: 'https://x' }])).toBeUndefined();
    expect(links([{ name: 'trace_id', datasourceUid: 'gone' }])).toBeUndefined();
  });
});
