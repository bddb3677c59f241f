import {
  type AdHocVariableFilter,
  CoreApp,
  type DataQueryRequest,
  type DataSourceInstanceSettings,
  dateTimeForTimeZone,
  type ScopedVars,
} from '@grafana/data';
import {
  type BackendSrv,
  type DataSourceSrv,
  setBackendSrv,
  setDataSourceSrv,
  type TemplateSrv,
} from '@grafana/runtime';
import { lastValueFrom, of } from 'rxjs';

import { HeadwaterDataSource } from './datasource';
import type { DataSourceOptions, PanelQuery } from './types';

const fetch = jest.fn();

function settings(jsonData: DataSourceOptions): DataSourceInstanceSettings<DataSourceOptions> {
  return {
    id: 1,
    uid: 'hw',
    type: 'headwater-metrics-datasource',
    name: 'Headwater',
    jsonData,
  } as DataSourceInstanceSettings<DataSourceOptions>;
}

/** Stands in for Grafana's service: `$name` comes from the scoped variables, the rest stays. */
const templates = {
  replace(text = '', scopedVars: ScopedVars = {}, format?: unknown) {
    return text.replace(/\$(\w+)/g, (whole, name) => {
      const variable = scopedVars[name];
      if (!variable) {
        return whole;
      }
      return typeof format === 'function' ? format(variable.value, variable) : String(variable.value);
    });
  },
} as TemplateSrv;

function dataSource(jsonData: DataSourceOptions = {}) {
  return new HeadwaterDataSource(settings(jsonData), templates);
}

function request(targets: PanelQuery[], rest: Partial<DataQueryRequest<PanelQuery>> = {}) {
  const from = dateTimeForTimeZone('Europe/Helsinki', '2026-01-01T00:00:00Z');
  const to = dateTimeForTimeZone('Europe/Helsinki', '2026-01-01T01:00:00Z');
  return {
    targets,
    range: { from, to, raw: { from, to } },
    scopedVars: {},
    intervalMs: 15_000,
    maxDataPoints: 500,
    ...rest,
  } as DataQueryRequest<PanelQuery>;
}

/** Runs the request and returns the queries that reached the backend. */
async function sentQueries(request: DataQueryRequest<PanelQuery>) {
  await lastValueFrom(dataSource().query(request));
  return fetch.mock.calls[0][0].data.queries;
}

beforeAll(() => {
  setBackendSrv({ fetch } as unknown as BackendSrv);
  setDataSourceSrv({ getInstanceSettings: () => settings({}) } as unknown as DataSourceSrv);
});

beforeEach(() => {
  fetch.mockReset();
  fetch.mockReturnValue(of({ data: { results: {} } }));
});

test('a query reaches the backend with its text, the panel’s interval and the offset to UTC', async () => {
  const queries = await sentQueries(request([{ refId: 'A', expr: 'up', range: true }]));
  expect(queries).toEqual([
    expect.objectContaining({
      refId: 'A',
      expr: 'up',
      range: true,
      intervalMs: 15_000,
      maxDataPoints: 500,
      utcOffsetSec: 7200,
      datasource: { type: 'headwater-metrics-datasource', uid: 'hw' },
    }),
  ]);
});

test('a query of type both reaches the backend as two', async () => {
  const queries = await sentQueries(request([{ refId: 'A', expr: 'up', range: true, instant: true }]));
  expect(queries.map(({ refId, range, instant }: PanelQuery) => [refId, range, instant])).toEqual([
    ['A', true, false],
    ['A-Instant', false, true],
  ]);
});

test('an expression beside a query is left as it is', async () => {
  const expression = { refId: 'B', datasource: { type: '__expr__', uid: '__expr__' }, range: true, instant: true };
  const queries = await sentQueries(request([{ refId: 'A', expr: 'up' }, expression]));
  expect(queries.map(({ refId }: PanelQuery) => refId)).toEqual(['A', 'B']);
  expect(queries[1]).not.toHaveProperty('utcOffsetSec');
});

test('grouping keys of the dashboard are sent with each query', async () => {
  const queries = await sentQueries(request([{ refId: 'A', expr: 'up' }], { groupByKeys: ['job'] }));
  expect(queries[0].groupByKeys).toEqual(['job']);
});

test('the interval macros stay for the backend, in text, step and legend', () => {
  const scopedVars = { __interval: { value: '30s' }, __interval_ms: { value: 30_000 } };
  const query = dataSource().applyTemplateVariables(
    {
      refId: 'A',
      expr: 'rate(a[$__interval]) + rate(b[$__rate_interval]) * $__interval_ms',
      interval: '$__interval',
      legendFormat: 'per $__interval',
    },
    scopedVars
  );
  expect(query).toMatchObject({
    expr: 'rate(a[$__interval]) + rate(b[$__rate_interval]) * $__interval_ms',
    interval: '$__interval',
    legendFormat: 'per $__interval',
  });
});

test('template variables are written into text, min step and legend', () => {
  const query = dataSource().applyTemplateVariables(
    { refId: 'A', expr: 'up{job=~"$job"}', interval: '$step', legendFormat: '$name {{job}}' },
    { job: { value: ['a', 'b.c'], multi: true }, step: { value: '1m' }, name: { value: 'Jobs' } } as ScopedVars
  );
  expect(query).toMatchObject({ expr: 'up{job=~"(a|b\\\\.c)"}', interval: '1m', legendFormat: 'Jobs {{job}}' });
});

test('ad-hoc filters go to the backend with their operators spelt out', () => {
  const filters: AdHocVariableFilter[] = [
    { key: 'job', operator: '=', value: 'api' },
    { key: 'code', operator: '!~', value: '5..' },
    { key: 'zone', operator: '=|', value: 'a', values: ['a', 'b'] },
  ];
  const query = dataSource().applyTemplateVariables({ refId: 'A', expr: 'up' }, {}, filters);
  expect(query.adhocFilters).toEqual([
    { key: 'job', operator: 'equals', value: 'api' },
    { key: 'code', operator: 'regex-not-match', value: '5..' },
    { key: 'zone', operator: 'one-of', value: 'a', values: ['a', 'b'] },
  ]);
});

test('a query taken to Explore names this data source and carries the variables’ values', () => {
  const [query] = dataSource().interpolateVariablesInQueries([{ refId: 'A', expr: 'up{job="$job"}' }], {
    job: { value: 'api' },
  });
  expect(query).toMatchObject({
    expr: 'up{job="api"}',
    datasource: { type: 'headwater-metrics-datasource', uid: 'hw' },
  });
});

test.each([
  [undefined, '15s'],
  ['', '15s'],
  ['1m', '1m'],
  ['30', '30s'],
  [20, '20s'],
])('the scrape interval %p becomes the panels’ smallest interval %p', (timeInterval, interval) => {
  expect(dataSource({ timeInterval }).interval).toBe(interval);
});

test('a data source that names no engine is an embedded one', () => {
  expect(dataSource().engine).toBe('embedded');
  expect(dataSource({ engine: 'remote' }).engine).toBe('remote');
});

test('an empty query is not sent', () => {
  expect(dataSource().filterQuery({ refId: 'A', ...dataSource().getDefaultQuery(CoreApp.PanelEditor) })).toBe(false);
});

describe('a template variable', () => {
  const values = [{ text: 'api', value: 'api' }];

  beforeEach(() => fetch.mockReturnValue(of({ data: values, headers: new Headers() })));

  test('whose choices were cut at a limit has its editor know', async () => {
    const { variables } = dataSource();
    const ask = (query: string) =>
      lastValueFrom(variables.query({ targets: [{ refId: 'v', query }] } as Parameters<typeof variables.query>[0]));
    fetch.mockReturnValue(of({ data: values, headers: new Headers({ 'X-Headwater-Truncated': '1' }) }));
    expect((await ask('label_values(job)')).data).toEqual(values);
    expect(variables.cut.value).toEqual({ query: 'label_values(job)', listed: 1 });
    fetch.mockReturnValue(of({ data: values, headers: new Headers() }));
    await ask('label_values(job)');
    expect(variables.cut.value).toBeUndefined();
  });

  test('is answered by the backend, other variables written in', async () => {
    const found = await dataSource().metricFindQuery('label_values(up{zone="$zone"}, job)', {
      scopedVars: { zone: { value: 'eu' } },
    });
    expect(found).toEqual(values);
    expect(fetch.mock.calls[0][0]).toMatchObject({
      method: 'POST',
      url: '/api/datasources/uid/hw/resources/variable-query',
      data: { query: 'label_values(up{zone="eu"}, job)' },
    });
  });

  test('saved as an object by the Prometheus data source is read too', async () => {
    await dataSource().metricFindQuery({ query: 'metrics(http_.*)' });
    expect(fetch.mock.calls[0][0].data).toEqual({ query: 'metrics(http_.*)' });
  });

  test('knows the time range, in its text and beside it', async () => {
    const from = dateTimeForTimeZone('utc', '2026-01-01T00:00:00Z');
    const to = dateTimeForTimeZone('utc', '2026-01-01T01:00:00Z');
    await dataSource({ timeInterval: '30s' }).metricFindQuery(
      'query_result(rate(a[$__range]) + rate(b[$__interval]) + rate(c[$__rate_interval]))',
      { range: { from, to, raw: { from, to } } }
    );
    expect(fetch.mock.calls[0][0].data).toEqual({
      query: 'query_result(rate(a[3600s]) + rate(b[30s]) + rate(c[120s]))',
      start: '1767225600',
      end: '1767229200',
    });
  });

  test('without a query asks nothing', async () => {
    expect(await dataSource().metricFindQuery('')).toEqual([]);
    expect(fetch).not.toHaveBeenCalled();
  });
});

describe('ad-hoc filters', () => {
  beforeEach(() => fetch.mockReturnValue(of({ data: { status: 'success', data: ['__name__', 'job', 'zone'] } })));

  test('are offered the labels of what is shown, other filters applied', async () => {
    const keys = await dataSource().getTagKeys({
      filters: [{ key: 'zone', operator: '=', value: 'eu' }],
      queries: [
        { refId: 'A', expr: 'rate(a[$__rate_interval])' },
        { refId: 'B', expr: '' },
      ],
    });
    expect(keys).toEqual([
      { text: 'job', value: 'job' },
      { text: 'zone', value: 'zone' },
    ]);
    expect(fetch.mock.calls[0][0]).toMatchObject({
      url: '/api/datasources/uid/hw/resources/suggestions',
      data: {
        queries: ['rate(a[$__rate_interval])'],
        adhocFilters: [{ key: 'zone', operator: 'equals', value: 'eu' }],
      },
    });
  });

  test('are offered values that their own old choice does not hide', async () => {
    await dataSource().getTagValues({
      key: 'job',
      filters: [
        { key: 'job', operator: '=', value: 'api' },
        { key: 'zone', operator: '!=|', value: 'eu', values: ['eu', 'us'] },
      ],
    });
    expect(fetch.mock.calls[0][0].data).toMatchObject({
      labelName: 'job',
      adhocFilters: [{ key: 'zone', operator: 'not-one-of', value: 'eu', values: ['eu', 'us'] }],
    });
  });
});

describe('a click on a value in Explore', () => {
  const query: PanelQuery = { refId: 'A', expr: 'sum(rate(a[5m]))' };
  const options = { key: 'job', value: 'api' };

  test('filters for it, or it out', () => {
    const added = dataSource().modifyQuery(query, { type: 'ADD_FILTER', options });
    expect(added.expr).toBe('sum(rate(a{job="api"}[5m]))');
    const out = dataSource().modifyQuery(query, { type: 'ADD_FILTER_OUT', options });
    expect(out.expr).toBe('sum(rate(a{job!="api"}[5m]))');
    expect(dataSource().modifyQuery(query, { type: 'OTHER' })).toBe(query);
  });

  test('sets a filter, turns it around, and takes it away', () => {
    const source = dataSource();
    const on = source.toggleQueryFilter(query, { type: 'FILTER_FOR', options });
    expect(source.queryHasFilter(on, options)).toBe(true);
    const around = source.toggleQueryFilter(on, { type: 'FILTER_OUT', options });
    expect(around.expr).toBe('sum(rate(a{job!="api"}[5m]))');
    const off = source.toggleQueryFilter(around, { type: 'FILTER_OUT', options });
    expect(off.expr).toBe('sum(rate(a[5m]))');
  });
});
