import { choosePanels, panelOf, PANELS_CHOSEN } from './panels';

const titles = (names: string[]) => choosePanels(names, {}).map((panel) => panel.title);

test('the wiki has the panels of its dashboard in Grafana', () => {
  const names = ['up', 'users_created_total', 'posts_created_total', 'http_request_duration_seconds_bucket'];
  expect(titles(names)).toEqual([
    'Users total',
    'User rate per minute',
    'Posts per user',
    'Posts total',
    'Post rate per minute',
    'Response time',
  ]);
  expect(titles(names.slice(0, 3))).not.toContain('Response time');
});

test('another app gets panels of its own metrics first', () => {
  const found = titles([
    'go_goroutines',
    'go_gc_duration_seconds_count',
    'http_requests_total',
    'request_duration_seconds_bucket',
    'request_duration_seconds_count',
    'request_duration_seconds_sum',
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'queue_length',
    'up',
  ]);
  expect(found).toEqual([
    'Targets up',
    'http_requests_total, per second',
    'request_duration_seconds',
    'queue_length',
    'CPU',
    'process_resident_memory_bytes',
  ]);
});

test('there are never more panels than fit, and none without metrics', () => {
  const many = Array.from({ length: 100 }, (_, at) => [`a${at}_total`, `b${at}_bucket`, `c${at}`]).flat();
  expect(choosePanels([...many, 'up'], {})).toHaveLength(PANELS_CHOSEN);
  expect(choosePanels([], {})).toEqual([]);
});

test('a metric is drawn by its type', () => {
  const expr = (name: string, type?: string) =>
    panelOf(name, new Set([name]), type ? { [name]: [{ type, help: 'Help.', unit: '' }] } : {}).queries[0]?.expr;
  expect(expr('jobs_total')).toBe('sum by (job) (rate(jobs_total[$window]))');
  expect(expr('jobs', 'counter')).toBe('sum by (job) (rate(jobs[$window]))');
  expect(expr('jobs_total', 'gauge')).toBe('jobs_total');
  expect(expr('température')).toBe('{"température"}');
  expect(expr('latency_bucket')).toBe('histogram_quantile(0.95, sum by (le) (rate(latency_bucket[$window])))');
});
