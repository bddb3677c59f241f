import { isPattern, modelOf, partsOf, readParts, writeParts } from './query_text';

test.each([
  'label_names()',
  'label_names(http_.*)',
  'label_values(job)',
  'label_values(up, job)',
  'label_values(up{a="b,c", d="e"}, job)',
  'metrics(node_.*)',
  'query_result(topk(5, sum by (job) (up)))',
  'up{job="$job"}',
])('%p is read into parts and written back as it was', (query) => {
  expect(writeParts(readParts(query))).toBe(query);
});

test('each kind is told by its text', () => {
  const kinds = ['label_names()', 'label_values(a)', 'metrics(a)', 'query_result(a)', 'a', ''].map(
    (query) => readParts(query).kind
  );
  expect(kinds).toEqual(['label_names', 'label_values', 'metrics', 'query_result', 'series', 'label_values']);
});

test('old dashboards hold plain text, newer ones an object', () => {
  expect(partsOf('label_values(up, job)')).toMatchObject({ kind: 'label_values', label: 'job', selector: 'up' });
  expect(partsOf({ query: 'label_values(up, job)', qryType: 1, refId: 'x' })).toMatchObject({ label: 'job' });
  expect(partsOf({ query: 'label_values(up, job)', qryType: 5 })).toMatchObject({
    kind: 'classic',
    text: 'label_values(up, job)',
  });
  expect(partsOf(undefined).kind).toBe('label_values');
});

test('what is saved is numbered as the Prometheus data source numbers it', () => {
  expect(modelOf(readParts('label_values(up, job)'))).toEqual({
    refId: 'variable',
    qryType: 1,
    query: 'label_values(up, job)',
  });
  expect(modelOf(readParts('query_result(up)')).qryType).toBe(3);
});

test('a query that lacks a part is no query yet', () => {
  expect(writeParts({ kind: 'label_values', label: '', selector: 'up', text: '' })).toBe('');
  expect(writeParts({ kind: 'metrics', label: '', selector: '', text: '' })).toBe('');
});

test('variables in a regular expression of names are patterns', () => {
  expect(isPattern('metrics(${app}_.*)')).toBe(true);
  expect(isPattern('label_values(up, $label)')).toBe(false);
});
