import type { PanelQuery } from '../types';
import { isBuilt, textOfQuery } from './built';

const text = (query: Partial<PanelQuery>) => textOfQuery({ refId: 'A', ...query });

// The same cases as in `src/grafana/panel_query.rs`: what is shown is what is asked.
test('a query of parts is written as the backend writes it', () => {
  expect(text({ metricName: 'up', aggregation: 'sum' })).toBe('sum(up)');
  expect(
    text({
      metricName: 'http_requests_total',
      labels: { status: '5"0\\0', 'a.b': 'c' },
      function: 'rate',
      aggregation: 'avg',
    })
  ).toBe('avg(rate(http_requests_total{"a.b"="c", status="5\\"0\\\\0"}[$__rate_interval]))');
  expect(text({ metricName: 'my.metric', function: 'none', aggregation: 'mode' })).toBe('{"my.metric"}');
});

test('a text comes before the parts, and nothing is nothing', () => {
  expect(text({ metricName: 'up', expr: 'b' })).toBe('b');
  expect(text({ metricName: 'up', expr: ' ', queryText: 'c' })).toBe('c');
  expect(text({})).toBe('');
  expect(isBuilt({ refId: 'A', metricName: 'up', expr: ' ' })).toBe(true);
  expect(isBuilt({ refId: 'A', metricName: ' ' })).toBe(false);
});
