import { explain } from './explain';
import { parseQuery } from './parse';

function words(text: string): string[] {
  const parsed = parseQuery(text);
  if (!parsed.ok) {
    throw new Error(parsed.reason);
  }
  return explain(parsed.query).flatMap(({ words, inner }) => [
    words,
    ...(inner ?? []).map((step) => `- ${step.words}`),
  ]);
}

test('each part is told in its order', () => {
  expect(words('histogram_quantile(0.9, sum by (le) (rate(x_bucket{job="a", code!=""}[$__rate_interval])))')).toEqual([
    'All series of x_bucket where job is “a” and the label code is there.',
    'Per-second increase, on average over the window; restarts of the counter are made up for, looking back a window that always holds at least four samples ($__rate_interval) from each point.',
    'Sum for each le.',
    'Value below which this share of a histogram’s observations lies (quantile 0.9).',
  ]);
});

test('a query within a query is told where it is used', () => {
  expect(words('a / on (job) group_left (team) sum(b)')).toEqual([
    'All series of a.',
    'Divides by the query below, where both agree in job; several series of the left side may meet one of the other, whose team they take.',
    '- All series of b.',
    '- Sum over all series together.',
  ]);
});

test.each([
  ['1 - up', 'Takes 1 - the value.'],
  ['up > 5', 'Keeps only values that are greater than 5.'],
  ['up == bool 1', '1 for values that are equal to 1, 0 for others.'],
  ['5 < up', 'Keeps only values that are greater than 5.'],
  ['sum without (pod) (up)', 'Sum over the series that differ only in pod.'],
  ['topk(3, up)', 'Series with the greatest values (3) over all series together.'],
  ['max_over_time(up[1h:])', 'Greatest sample in the window, evaluated at the default distance over 1h.'],
])('%s', (text, last) => {
  expect(words(text).at(-1)).toBe(last);
});

test('an offset says which way it goes', () => {
  expect(words('up offset 5m')).toEqual(['All series of up, as they were 5m earlier.']);
  expect(words('up offset -5m')).toEqual(['All series of up, as they are 5m later.']);
});
