import {
  describedMetrics,
  labelNames,
  labelValues,
  lookupProblem,
  metricFacts,
  plainList,
  type ResourceCaller,
  searchMetrics,
  seriesOf,
  validateQuery,
} from './resources';

const getResource = jest.fn();
const postResource = jest.fn();
const caller = { getResource, postResource } as unknown as ResourceCaller;

/** What a failed request rejects with, as Grafana's service writes it. */
const failure = (status: number, data: unknown) => ({ status, statusText: 'no', data, config: { url: 'x' } });

beforeEach(() => {
  getResource.mockReset();
  postResource.mockReset();
});

test('a search asks for the letters and a number of metrics', async () => {
  getResource.mockResolvedValue({ found: 0, names: 0, truncated: false, metrics: [] });
  await searchMetrics(caller, 'http req', 50);
  expect(getResource).toHaveBeenCalledWith('metric-search', { text: 'http req', limit: 50 }, expect.anything());
});

test('a metric that is not there has no facts, any other failure is told', async () => {
  getResource.mockRejectedValueOnce(failure(404, { message: 'there is no metric' }));
  expect(await metricFacts(caller, 'a/b')).toBeUndefined();
  expect(getResource.mock.calls[0][0]).toBe('metrics/a%2Fb');
  getResource.mockRejectedValueOnce(failure(502, { message: 'cannot reach the server' }));
  await expect(metricFacts(caller, 'up')).rejects.toMatchObject({ status: 502 });
});

test('label look-ups carry selector, range in whole seconds, and limit, and leave out __name__', async () => {
  getResource.mockResolvedValue({ status: 'success', data: ['__name__', 'job'] });
  expect(await labelNames(caller, 'up', { start: 10.4, end: 20.2 }, 5)).toEqual({
    entries: ['job'],
    truncated: false,
  });
  expect(getResource.mock.calls[0].slice(0, 2)).toEqual([
    'api/v1/labels',
    { 'match[]': 'up', start: 10, end: 21, limit: 6 },
  ]);
});

test.each([
  ['job', 'api/v1/label/job/values'],
  ['__name__', 'api/v1/label/__name__/values'],
  ['http.status', 'api/v1/label/U__http_2e_status/values'],
  ['a_b.c', 'api/v1/label/U__a__b_2e_c/values'],
  ['9', 'api/v1/label/U___39_/values'],
])('the values of %s are asked under %s', async (label, path) => {
  getResource.mockResolvedValue({ status: 'success', data: null });
  expect(await labelValues(caller, label)).toEqual({ entries: [], truncated: false });
  expect(getResource.mock.calls[0][0]).toBe(path);
});

test('series are label sets', async () => {
  getResource.mockResolvedValue({ status: 'success', data: [{ __name__: 'up', job: 'a' }] });
  expect(await seriesOf(caller, 'up')).toEqual({ entries: [{ __name__: 'up', job: 'a' }], truncated: false });
});

test('one more entry than wanted is asked for, which tells of a cut that the server does not tell of', async () => {
  getResource.mockResolvedValue({ status: 'success', data: ['a', 'b', 'c'] });
  expect(await labelValues(caller, 'job', undefined, undefined, 3)).toEqual({
    entries: ['a', 'b', 'c'],
    truncated: false,
  });
  expect(getResource.mock.calls[0][1]).toEqual({ limit: 4 });
  expect(await labelValues(caller, 'job', undefined, undefined, 2)).toEqual({ entries: ['a', 'b'], truncated: true });
});

test('a list that a limit cut says so: by a warning, or by its header where it has no envelope', async () => {
  getResource.mockResolvedValue({ status: 'success', data: ['a'], warnings: ['results truncated due to limit'] });
  expect(await labelValues(caller, 'job')).toEqual({ entries: ['a'], truncated: true });
  expect(await labelNames(caller)).toEqual({ entries: ['a'], truncated: true });
  getResource.mockResolvedValue({ status: 'success', data: ['a'], warnings: ['a store was down'] });
  expect(await labelValues(caller, 'job')).toEqual({ entries: ['a'], truncated: false });
  const headers = new Headers();
  expect(plainList({ data: ['a'], headers })).toEqual({ entries: ['a'], truncated: false });
  headers.set('x-headwater-truncated', '1');
  expect(plainList({ data: ['a'], headers })).toEqual({ entries: ['a'], truncated: true });
});

test('a query is validated by its text', async () => {
  postResource.mockResolvedValue({ valid: true });
  expect(await validateQuery(caller, 'up')).toEqual({ valid: true });
  expect(postResource).toHaveBeenCalledWith('validate', { queryText: 'up' }, expect.anything());
});

test('a failed look-up is told in the backend’s words', () => {
  expect(lookupProblem(failure(400, { status: 'error', error: 'bad matcher' }))).toBe('bad matcher');
  expect(lookupProblem(failure(502, { message: 'refused' }))).toBe('refused');
  expect(lookupProblem(failure(500, undefined))).toBe('no');
  expect(lookupProblem(new Error('offline'))).toBe('offline');
});

test('examples are made of so many families and names, however many there are', async () => {
  getResource.mockImplementation(async (path: string) => ({
    status: 'success',
    data: path === 'api/v1/metadata' ? { up: [{ type: 'gauge' }] } : ['up'],
  }));
  expect(await describedMetrics(caller)).toEqual({ metadata: { up: [{ type: 'gauge' }] }, names: ['up'] });
  expect(getResource.mock.calls.map(([path, { limit }]) => [path, limit])).toEqual([
    ['api/v1/metadata', 500],
    ['api/v1/label/__name__/values', 10_001],
  ]);
});
