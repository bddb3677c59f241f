import { CoreApp, type DataFrame, DataFrameType, FieldType, type Labels } from '@grafana/data';

import { layOut } from './results';
import type { PanelQuery } from './types';

/** One series as the backend sends it. */
function series(refId: string, labels: Labels, values: number[], type = DataFrameType.TimeSeriesMulti): DataFrame {
  return {
    refId,
    length: values.length,
    meta: { type, custom: { a: 1 } },
    fields: [
      { name: 'Time', type: FieldType.time, config: {}, values: values.map((_, at) => at * 1000) },
      { name: 'Value', type: FieldType.number, config: {}, labels, values },
    ],
  };
}

function laidOut(data: DataFrame[], queries: PanelQuery[], app: string = CoreApp.Dashboard): DataFrame[] {
  return layOut({ data }, { app, queries }).data;
}

const columns = (frame: DataFrame) => frame.fields.map(({ name, values }) => [name, values]);

test('a panel gets time series as they came', () => {
  const frames = [series('A', { job: 'a' }, [1])];
  expect(laidOut(frames, [{ refId: 'A', format: 'time_series' }])[0]).toBe(frames[0]);
});

test('what is told besides the frames is kept', () => {
  const response = { data: [], errors: [{ message: 'kept' }] };
  expect(layOut(response, { app: CoreApp.Explore, queries: [] }).errors).toEqual(response.errors);
});

test('Explore draws ranges as a graph and instants as a table', () => {
  const range = series('A', { job: 'a' }, [1, 2]);
  const instant = series('A-Instant', { job: 'a' }, [2], DataFrameType.NumericMulti);
  const found = laidOut([range, instant], [{ refId: 'A' }, { refId: 'A-Instant' }], CoreApp.Explore);
  expect(found.map(({ meta }) => meta?.preferredVisualisationType)).toEqual(['graph', 'table']);
  expect(columns(found[1] as DataFrame)).toEqual([
    ['Time', [0]],
    ['job', ['a']],
    ['Value #A', [2]],
  ]);
});

test('a table has a row per sample and a column per label, which may be missing in some series', () => {
  const frames = [series('A', { job: 'a', code: '200' }, [1, 2]), series('A', { job: 'b' }, [3])];
  const [table, ...rest] = laidOut(frames, [{ refId: 'A', format: 'table' }]);
  expect(rest).toEqual([]);
  expect(columns(table as DataFrame)).toEqual([
    ['Time', [0, 1000, 0]],
    ['code', ['200', '200', '']],
    ['job', ['a', 'a', 'b']],
    ['Value', [1, 2, 3]],
  ]);
});

test('tables of several queries name their values apart', () => {
  const frames = [series('A', {}, [1]), series('B', {}, [2])];
  const tables = laidOut(frames, [
    { refId: 'A', format: 'table' },
    { refId: 'B', format: 'table' },
  ]);
  expect(tables.map(({ fields }) => fields.at(-1)?.name)).toEqual(['Value #A', 'Value #B']);
});

test('a heatmap’s buckets are ordered by their bound and freed of those below', () => {
  const frames = [
    series('A', { le: '+Inf' }, [10, 10]),
    series('A', { le: '0.5' }, [1, 2]),
    series('A', { le: '10' }, [9, 8]),
    series('A', { le: '1' }, [4, 9]),
  ];
  const rows = laidOut(frames, [{ refId: 'A', format: 'heatmap' }]);
  expect(rows.map(({ fields }) => [fields[1]?.config.displayNameFromDS, fields[1]?.values])).toEqual([
    ['0.5', [1, 2]],
    ['1', [3, 7]],
    ['10', [5, 0]],
    ['+Inf', [1, 2]],
  ]);
});

test('histograms that differ in another label are not taken from each other', () => {
  const frames = [
    series('A', { le: '1', job: 'a' }, [5]),
    series('A', { le: '1', job: 'b' }, [7]),
    series('A', { le: '2', job: 'a' }, [6]),
  ];
  const rows = laidOut(frames, [{ refId: 'A', format: 'heatmap' }]);
  expect(rows.map(({ fields }) => fields[1]?.values)).toEqual([[5], [1], [7]]);
});

test('a bucket that began later is freed of the bucket below at its own times', () => {
  const late = series('A', { le: '2' }, [30]);
  (late.fields[0] as { values: number[] }).values = [1000];
  const rows = laidOut([series('A', { le: '1' }, [10, 20]), late], [{ refId: 'A', format: 'heatmap' }]);
  expect(rows[1]?.fields[1]?.values).toEqual([10]);
});

test('native histograms’ cells stay as they are', () => {
  const cells = { refId: 'A', length: 0, fields: [], meta: { type: DataFrameType.HeatmapCells } };
  expect(laidOut([cells], [{ refId: 'A', format: 'heatmap' }])).toEqual([cells]);
});

describe('an exemplar', () => {
  const exemplars: DataFrame = {
    refId: 'A',
    name: 'exemplar',
    length: 1,
    fields: [{ name: 'traceID', type: FieldType.string, config: {}, values: ['abc'] }],
  };
  const links = (destination: object) =>
    layOut(
      { data: [exemplars] },
      { app: CoreApp.Dashboard, queries: [], traceDestinations: [{ name: 'traceID', ...destination }] }
    ).data[0].fields[0].config.links;

  test('links to the data source that has its trace', () => {
    expect(links({ datasourceUid: 'tempo' })).toMatchObject([
      { title: 'View trace', internal: { datasourceUid: 'tempo', query: { query: '${__value.raw}' } } },
    ]);
  });

  test('links to an address', () => {
    expect(links({ url: 'https://traces/${__value.raw}', urlDisplayLabel: 'Traces' })).toMatchObject([
      { title: 'Traces', url: 'https://traces/${__value.raw}', targetBlank: true },
    ]);
  });

  test('has no link where the settings name none', () => {
    expect(laidOut([exemplars], [])[0]).toBe(exemplars);
  });
});
