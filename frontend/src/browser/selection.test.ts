import { parseQuery } from '../promql/parse';
import { selectionOf, selectorOf, valueSelector, withLabel, withValue } from './selection';

const chosen = { metric: 'hits_total', labels: [{ label: 'code', values: ['200'] }, { label: 'job', values: [] }] }; // prettier-ignore

test('one value is compared letter by letter, several as alternatives that match just themselves', () => {
  expect(selectorOf(chosen)).toBe('hits_total{code="200"}');
  const several = withValue(withValue(chosen, 'job', 'a.b'), 'job', 'c|d');
  expect(selectorOf(several)).toBe('hits_total{code="200", job=~"a\\\\.b|c\\\\|d"}');
  expect(selectorOf(withValue(several, 'job', 'a.b'))).toBe('hits_total{code="200", job="c|d"}');
  expect(selectorOf({ metric: '', labels: [] })).toBe('');
});

test('a label is chosen, and gone with its values when it is chosen again', () => {
  expect(withLabel(chosen, 'pod').labels.map(({ label }) => label)).toEqual(['code', 'job', 'pod']);
  expect(selectorOf(withLabel(chosen, 'code'))).toBe('hits_total');
});

test('values are those of the other choices, with the letters anywhere in them', () => {
  expect(valueSelector(chosen, 'code', '')).toBe('hits_total{code!=""}');
  expect(valueSelector(chosen, 'job', 'a.')).toBe('hits_total{code="200", job=~"(?i).*a\\\\..*"}');
});

test('a query’s first selector is where the choices start', () => {
  const parsed = parseQuery('sum(rate(hits_total{code="200", job=~"a|b", x="$x"}[5m]))');
  if (!parsed.ok || parsed.query.source.kind !== 'series') {
    throw new Error('not read');
  }
  expect(selectionOf(parsed.query.source)).toEqual({
    metric: 'hits_total',
    labels: [{ label: 'code', values: ['200'] }],
  });
});
