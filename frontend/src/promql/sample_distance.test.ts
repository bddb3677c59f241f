import type { ResourceCaller } from '../resources';
import { sampleDistance } from './sample_distance';

const getResource = jest.fn();
const caller = { getResource } as unknown as ResourceCaller;

beforeEach(() => {
  getResource.mockReset();
});

const series = (metric: string) => ({ kind: 'series' as const, metric, labels: [] });
const code = { label: 'code', operator: '=' as const, value: '200' };

test('the distance of samples is the middle one of the series with the newest', async () => {
  getResource.mockImplementation(async (_: string, { query }: { query: string }) => ({
    status: 'success',
    data: {
      result: query.startsWith('topk')
        ? [{ metric: { job: 'a"b' }, value: [100, '99'] }]
        : [{ metric: {}, values: [0, 60, 120.1, 300, 359.9].map((time) => [time, '1']) }],
    },
  }));
  expect(await sampleDistance(caller, { ...series('hits_total'), labels: [code] })).toBeCloseTo(60.1);
  expect(getResource.mock.calls.map(([path, { query }]) => [path, query])).toEqual([
    ['api/v1/query', 'topk(1, timestamp(hits_total{code="200"}))'],
    ['api/v1/query', 'hits_total{job="a\\"b"}[15m]'],
  ]);
});

test('a series without samples, or with hardly any, has no distance', async () => {
  getResource.mockResolvedValue({ status: 'success', data: { result: [] } });
  expect(await sampleDistance(caller, series('gone'))).toBeUndefined();
  getResource.mockResolvedValue({ status: 'success', data: { result: [{ metric: {}, values: [[1, '1'], [2, '1']] }] } }); // prettier-ignore
  expect(await sampleDistance(caller, series('new'))).toBeUndefined();
});
