import { hasCondition, withConditions } from './selectors';

const api = { key: 'job', operator: '=', value: 'api' };

test.each([
  ['up', 'up{job="api"}'],
  ['up{}', 'up{job="api"}'],
  ['up{a="b"}', 'up{a="b", job="api"}'],
  ['{__name__="up"}', '{__name__="up", job="api"}'],
  ['sum by (job) (rate(a_total[5m]))', 'sum by (job) (rate(a_total{job="api"}[5m]))'],
  ['sum(rate(a[5m])) by (job)', 'sum(rate(a{job="api"}[5m])) by (job)'],
  ['a / on (x, y) group_left (z) b', 'a{job="api"} / on (x, y) group_left (z) b{job="api"}'],
  ['a and b or c unless d', 'a{job="api"} and b{job="api"} or c{job="api"} unless d{job="api"}'],
  ['a offset 5m > bool 1e5', 'a{job="api"} offset 5m > bool 1e5'],
  ['max_over_time(rate(a{x="y{z}"}[1m])[1h:5m])', 'max_over_time(rate(a{x="y{z}", job="api"}[1m])[1h:5m])'],
  ['histogram_quantile(0.95, a) # up', 'histogram_quantile(0.95, a{job="api"}) # up'],
  ['rate($metric{zone=~"$zone"}[$__rate_interval])', 'rate($metric{zone=~"$zone", job="api"}[$__rate_interval])'],
  ['${app}_total[${w}]', '${app}_total{job="api"}[${w}]'],
  ['a offset $shift', 'a{job="api"} offset $shift'],
  ['a{job="api"}', 'a{job="api"}'],
  ['vector(1) + time()', 'vector(1) + time()'],
  ['label_replace(a, "x", "$1", "y", "(.*)")', 'label_replace(a{job="api"}, "x", "$1", "y", "(.*)")'],
  ['', ''],
])('a filter on %p makes %p', (text, filtered) => {
  expect(withConditions(text, [api])).toBe(filtered);
});

test('names and values are quoted where they need it', () => {
  const odd = { key: 'http.status', operator: '!=', value: 'a"b\\c' };
  expect(withConditions('up', [odd])).toBe('up{"http.status"!="a\\"b\\\\c"}');
  expect(hasCondition(withConditions('up', [odd]), odd)).toBe(true);
});

test('a condition is found and taken away again, however it is written', () => {
  expect(hasCondition('sum(up{ job = "api" , a=~"b" })', api)).toBe(true);
  expect(hasCondition('up{job!="api"}', api)).toBe(false);
  expect(withConditions('up{ job = "api" , a=~"b" } + c{job="api"}', [], [api])).toBe('up{a=~"b"} + c');
  expect(withConditions('{job="api"}', [], [api])).toBe('{}');
});

test('what is half written is not damaged further', () => {
  for (const text of ['sum(', 'up{', 'up{a="b', 'rate(a[', '${', '"']) {
    expect(withConditions(text, []).startsWith(text)).toBe(true);
  }
});
