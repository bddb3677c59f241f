import { CoreApp } from '@grafana/data';

import { defaultQuery, isRunnable, queryText, queryType, queryTypeFlags, splitByType, withDefaults } from './query';

test('a query that says neither range nor instant is a range query', () => {
  expect(queryType({})).toBe('range');
  expect(queryType({ range: false, instant: false })).toBe('range');
});

test.each(['range', 'instant', 'both'] as const)('the type %s survives its flags', (type) => {
  expect(queryType(queryTypeFlags(type))).toBe(type);
});

test('a panel starts with a range query, an alert rule with an instant one, Explore with both', () => {
  expect(queryType(defaultQuery(CoreApp.PanelEditor))).toBe('range');
  expect(queryType(defaultQuery(CoreApp.UnifiedAlerting))).toBe('instant');
  expect(queryType(defaultQuery(CoreApp.Explore))).toBe('both');
});

test('a query of type both is sent as two, of which the second is the instant one without exemplars', () => {
  const parts = splitByType({ refId: 'A', expr: 'up', range: true, instant: true, exemplar: true });
  expect(parts).toEqual([
    { refId: 'A', expr: 'up', range: true, instant: false, exemplar: true },
    { refId: 'A-Instant', expr: 'up', range: false, instant: true, exemplar: false },
  ]);
});

test('a query of one type is sent as it is', () => {
  const query = { refId: 'B', expr: 'up', instant: true };
  expect(splitByType(query)).toEqual([query]);
});

test('an empty, blank or hidden query does not run', () => {
  expect(isRunnable({ refId: 'A' })).toBe(false);
  expect(isRunnable({ refId: 'A', expr: '  \n' })).toBe(false);
  expect(isRunnable({ refId: 'A', expr: 'up', hide: true })).toBe(false);
  expect(isRunnable({ refId: 'A', expr: 'up' })).toBe(true);
});

test('a query without expr runs by its queryText or by its metric name', () => {
  expect(isRunnable({ refId: 'A', queryText: 'up' })).toBe(true);
  expect(isRunnable({ refId: 'A', metricName: 'up', aggregation: 'sum' })).toBe(true);
  expect(queryText({ refId: 'A', queryText: 'up' })).toBe('up');
});

test('a new query shows the defaults, a saved one only what it says', () => {
  expect(withDefaults({ refId: 'A' }, CoreApp.PanelEditor)).toMatchObject({ legendFormat: '__auto', range: true });
  expect(withDefaults({ refId: 'A', legendFormat: 'x' }, CoreApp.PanelEditor).legendFormat).toBe('x');
  expect(withDefaults({ refId: 'A', expr: 'up' }, CoreApp.PanelEditor)).toEqual({ refId: 'A', expr: 'up' });
});

test('a key without a value is no choice: a new alert rule stays instant', () => {
  const fresh = { refId: 'A', range: false, instant: undefined };
  expect(queryType(withDefaults(fresh, CoreApp.UnifiedAlerting))).toBe('instant');
});
