import { layOutQuery } from './layout';

const LONG =
  'histogram_quantile(0.95, sum by (le, job) (rate(http_request_duration_seconds_bucket{job=~"$job", path!="(a b)"}[$__rate_interval])))';

test('a long query is set over several lines, and only spaces change', () => {
  const laidOut = layOutQuery(LONG);
  expect(laidOut.split('\n').length).toBeGreaterThan(2);
  expect(laidOut).toContain('sum by (le, job) (');
  expect(laidOut).toContain('path!="(a b)"');
  expect(laidOut.replace(/\s/g, '')).toBe(LONG.replace(/\s/g, ''));
  expect(layOutQuery(laidOut)).toBe(laidOut);
});

test('a short query stays on its line', () => {
  expect(layOutQuery('sum(\n  rate(a[5m])\n)')).toBe('sum(rate(a[5m]))');
});

test.each(['up # (all', 'sum(up', 'up)'])('%s stays as it is', (text) => {
  expect(layOutQuery(text)).toBe(text);
});
