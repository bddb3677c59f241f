/** What a query is before anyone edits it, whether it can run, and what is sent for it. */
import { CoreApp } from '@grafana/data';

import type { PanelQuery } from './types';

/** Along the time range, once at its end, or both. */
export type QueryType = 'range' | 'instant' | 'both';

/** The ending of the refId under which the instant half of a `both` query is sent. */
export const INSTANT_REF_ID_SUFFIX = '-Instant';

/** Lets the backend choose short series names. */
export const AUTO_LEGEND = '__auto';

/**
 * The query that a new row starts with.
 *
 * Alert rules compare one value per series, so they start as instant queries. Explore shows a graph
 * and a table side by side, so it starts with both.
 */
export function defaultQuery(app: CoreApp): Partial<PanelQuery> {
  return {
    expr: '',
    ...queryTypeFlags(app === CoreApp.Explore ? 'both' : app === CoreApp.UnifiedAlerting ? 'instant' : 'range'),
    format: 'time_series',
    legendFormat: AUTO_LEGEND,
    editorMode: 'builder',
  };
}

/**
 * The query as the editor shows it: one without any text is new, and starts with the defaults.
 *
 * A saved query is never completed so. Its missing keys have meanings of their own: no legend is
 * the full label set, neither range nor instant is range.
 */
export function withDefaults(query: PanelQuery, app: CoreApp): PanelQuery {
  if (queryText(query) !== '') {
    return query;
  }
  // A new alert rule names keys without a value; those are no choices either.
  const chosen = Object.entries(query).filter(([, value]) => value !== undefined);
  return { refId: query.refId, ...defaultQuery(app), ...Object.fromEntries(chosen) };
}

/** The query type behind the two flags; neither flag means range, as in old dashboards. */
export function queryType(query: Pick<PanelQuery, 'range' | 'instant'>): QueryType {
  if (query.instant) {
    return query.range ? 'both' : 'instant';
  }
  return 'range';
}

/** The two flags that stand for a query type. */
export function queryTypeFlags(type: QueryType): Required<Pick<PanelQuery, 'range' | 'instant'>> {
  return { range: type !== 'instant', instant: type !== 'range' };
}

/** The text to show for a query: in the query history, in panel headers. */
export function queryText(query: PanelQuery): string {
  return query.expr || query.queryText || query.metricName || '';
}

/** Whether there is anything to ask. */
export function isRunnable(query: PanelQuery): boolean {
  return !query.hide && queryText(query).trim() !== '';
}

/**
 * Splits a query of type both into its range half, which keeps the refId, and its instant half.
 *
 * Exemplars belong to a range, so the instant half asks for none.
 */
export function splitByType(query: PanelQuery): PanelQuery[] {
  if (queryType(query) !== 'both') {
    return [query];
  }
  return [
    { ...query, ...queryTypeFlags('range') },
    {
      ...query,
      ...queryTypeFlags('instant'),
      refId: query.refId + INSTANT_REF_ID_SUFFIX,
      exemplar: false,
    },
  ];
}
