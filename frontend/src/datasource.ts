/** Carries queries, variables and annotations between Grafana's frontend and the Headwater backend. */
import {
  type AdHocVariableFilter,
  type CoreApp,
  type DataQueryRequest,
  type DataQueryResponse,
  type DataSourceInstanceSettings,
  type MetricFindValue,
  type ScopedVars,
  scopeFilterOperatorMap,
} from '@grafana/data';
import { DataSourceWithBackend, getTemplateSrv, isExpressionReference, type TemplateSrv } from '@grafana/runtime';
import { map, type Observable } from 'rxjs';

import { interpolatePromQL } from './interpolation';
import { defaultQuery, isRunnable, queryText, splitByType } from './query';
import { layOut } from './results';
import {
  type AdHocFilter,
  type DataSourceOptions,
  DEFAULT_ENGINE,
  DEFAULT_SCRAPE_INTERVAL,
  type EngineKind,
  type ExemplarTraceIdDestination,
  type PanelQuery,
} from './types';

/** A variable's query: plain text, or the object that the Prometheus data source saves. */
export type VariableQuery = string | { query?: string };

export class HeadwaterDataSource extends DataSourceWithBackend<PanelQuery, DataSourceOptions> {
  /** Which engine answers. */
  readonly engine: EngineKind;

  /** Where an exemplar's trace can be looked at. */
  private readonly traceDestinations: ExemplarTraceIdDestination[];

  /** Grafana's own annotation editor and frame reader serve until Headwater has its own. */
  annotations = {};

  constructor(
    settings: DataSourceInstanceSettings<DataSourceOptions>,
    private readonly templates: TemplateSrv = getTemplateSrv()
  ) {
    super(settings);
    this.engine = settings.jsonData.engine ?? DEFAULT_ENGINE;
    this.traceDestinations = settings.jsonData.exemplarTraceIdDestinations ?? [];
    // Grafana takes this as the smallest interval of every panel on this data source.
    this.interval = scrapeInterval(settings.jsonData.timeInterval);
  }

  getDefaultQuery(app: CoreApp): Partial<PanelQuery> {
    return defaultQuery(app);
  }

  filterQuery(query: PanelQuery): boolean {
    return isRunnable(query);
  }

  /** The names of the dashboard's variables, for completion. */
  variableNames(): string[] {
    return this.templates.getVariables().map(({ name }) => name);
  }

  getQueryDisplayText(query: PanelQuery): string {
    return queryText(query);
  }

  query(request: DataQueryRequest<PanelQuery>): Observable<DataQueryResponse> {
    const utcOffsetSec = request.range.to.utcOffset() * 60;
    const targets = request.targets.flatMap((target) =>
      isExpressionReference(target.datasource)
        ? [target]
        : splitByType({
            ...target,
            utcOffsetSec,
            ...(request.groupByKeys?.length ? { groupByKeys: request.groupByKeys } : {}),
          })
    );
    return super
      .query({ ...request, targets })
      .pipe(
        map((response) =>
          layOut(response, { app: request.app, queries: targets, traceDestinations: this.traceDestinations })
        )
      );
  }

  applyTemplateVariables(query: PanelQuery, scopedVars: ScopedVars, filters?: AdHocVariableFilter[]): PanelQuery {
    // The backend knows the step, so these two keep their names until they get there.
    const variables: ScopedVars = {
      ...scopedVars,
      __interval: { value: '$__interval' },
      __interval_ms: { value: '$__interval_ms' },
    };
    const plain = (text?: string) => (text ? this.templates.replace(text, variables) : text);
    const promql = (text?: string) =>
      text ? interpolatePromQL(text, (from, formatter) => this.templates.replace(from, variables, formatter)) : text;
    const adhocFilters = (filters ?? []).map(backendFilter);
    return {
      ...query,
      expr: promql(query.expr),
      queryText: promql(query.queryText),
      interval: plain(query.interval),
      legendFormat: plain(query.legendFormat),
      ...(adhocFilters.length > 0 ? { adhocFilters } : {}),
    };
  }

  interpolateVariablesInQueries(
    queries: PanelQuery[],
    scopedVars: ScopedVars,
    filters?: AdHocVariableFilter[]
  ): PanelQuery[] {
    // A query that leaves its dashboard, for Explore or an alert rule, must name its data source.
    return queries.map((query) => ({
      ...this.applyTemplateVariables(query, scopedVars, filters),
      datasource: this.getRef(),
    }));
  }

  /** The values of a template variable, answered by the backend's `variable-query`. */
  async metricFindQuery(variable: VariableQuery, options?: { scopedVars?: ScopedVars }): Promise<MetricFindValue[]> {
    const text = typeof variable === 'string' ? variable : (variable.query ?? '');
    if (text.trim() === '') {
      return [];
    }
    const query = interpolatePromQL(text, (from, formatter) =>
      this.templates.replace(from, options?.scopedVars ?? {}, formatter)
    );
    return this.postResource<MetricFindValue[]>('variable-query', { query });
  }
}

/** The scrape interval as a duration; provisioned files may hold a bare number of seconds. */
function scrapeInterval(setting: string | number | undefined): string {
  const text = String(setting ?? '').trim();
  if (text === '') {
    return DEFAULT_SCRAPE_INTERVAL;
  }
  return /^\d+$/.test(text) ? `${text}s` : text;
}

function backendFilter({ key, operator, value, values }: AdHocVariableFilter): AdHocFilter {
  return {
    key,
    operator: scopeFilterOperatorMap[operator] ?? operator,
    value,
    ...(values ? { values } : {}),
  };
}
