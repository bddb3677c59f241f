/**
 * Queries that hold parts and no text: `metricName`, `labels`, `function` and `aggregation`.
 *
 * The backend renders them when they are asked (`grafana/panel_query.rs`); the editor shows the same.
 */
import type { PanelQuery } from '../types';
import { functionNamed } from './functions';
import { type Operation, renderQuery } from './model';

const AGGREGATIONS = new Set(['avg', 'sum', 'min', 'max', 'count']);

/** Whether a query has parts and nothing else. */
export function isBuilt({ expr, queryText, metricName }: PanelQuery): boolean {
  return !expr?.trim() && !queryText?.trim() && Boolean(metricName?.trim());
}

/** The PromQL of a query: its text, or what its parts say. */
export function textOfQuery(query: PanelQuery): string {
  if (!isBuilt(query)) {
    return [query.expr, query.queryText].find((text) => text?.trim()) ?? '';
  }
  const { metricName = '', labels = {}, function: name = '', aggregation = '' } = query;
  const filters = Object.entries(labels)
    .filter(([, value]) => typeof value === 'string')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([label, value]) => ({ label, operator: '=' as const, value }));
  const operations: Operation[] = [];
  if (name && name !== 'none') {
    const overTime = functionNamed(name)?.input === 'range';
    operations.push({ kind: 'call', name, parameters: [], ...(overTime ? { window: '$__rate_interval' } : {}) });
  }
  if (AGGREGATIONS.has(aggregation)) {
    operations.push({ kind: 'aggregation', name: aggregation });
  }
  return renderQuery({ source: { kind: 'series', metric: metricName.trim(), labels: filters }, operations });
}

/** What takes a query's parts away once it has a text of its own. */
export const WITHOUT_PARTS = {
  queryText: undefined,
  metricName: undefined,
  labels: undefined,
  function: undefined,
  aggregation: undefined,
} satisfies Partial<PanelQuery>;
