/** Carries queries, variables and annotations between Grafana's frontend and the Headwater backend. */
import {
  type AdHocVariableFilter,
  type AnnotationSupport,
  type CoreApp,
  type DataQueryRequest,
  type DataQueryResponse,
  type DataSourceGetTagKeysOptions,
  type DataSourceGetTagValuesOptions,
  type DataSourceInstanceSettings,
  type MetricFindValue,
  type QueryFilterOptions,
  type QueryFixAction,
  rangeUtil,
  scopeFilterOperatorMap,
  type ScopedVars,
  type TimeRange,
  type ToggleFilterAction,
} from '@grafana/data';
import {
  DataSourceWithBackend,
  getBackendSrv,
  getDataSourceSrv,
  getTemplateSrv,
  isExpressionReference,
  type TemplateSrv,
} from '@grafana/runtime';
import { lastValueFrom, map, type Observable } from 'rxjs';

import { prepareAnnotation, prepareQuery, processEvents } from './annotations/annotation';
import { type Condition, hasCondition, withConditions } from './filters/selectors';
import { interpolatePromQL } from './interpolation';
import { LazyAnnotationEditor } from './lazy_editors';
import { defaultQuery, isRunnable, queryText, splitByType } from './query';
import { labelNames, type Limited, plainList } from './resources';
import { type Layout, layOut } from './results';
import {
  type AdHocFilter,
  type DataSourceOptions,
  DEFAULT_ENGINE,
  DEFAULT_SCRAPE_INTERVAL,
  type EngineKind,
  type ExemplarTraceIdDestination,
  type PanelQuery,
} from './types';
import { HeadwaterVariables } from './variables/HeadwaterVariables';
import { isPattern, type SavedVariable, textOf } from './variables/query_text';

export class HeadwaterDataSource extends DataSourceWithBackend<PanelQuery, DataSourceOptions> {
  /** Which engine answers. */
  readonly engine: EngineKind;

  readonly variables = new HeadwaterVariables(this);

  private readonly exemplarLinks?: ExemplarTraceIdDestination[];

  annotations: AnnotationSupport<PanelQuery> = {
    QueryEditor: LazyAnnotationEditor,
    prepareAnnotation,
    prepareQuery,
    processEvents,
  };

  constructor(
    settings: DataSourceInstanceSettings<DataSourceOptions>,
    private readonly templates: TemplateSrv = getTemplateSrv()
  ) {
    super(settings);
    this.engine = settings.jsonData.engine ?? DEFAULT_ENGINE;
    this.exemplarLinks = settings.jsonData.exemplarTraceIdDestinations;
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
    const layout: Layout = {
      request,
      exemplarLinks: this.exemplarLinks,
      dataSourceName: (uid) => getDataSourceSrv().getInstanceSettings(uid)?.name,
    };
    return super.query({ ...request, targets }).pipe(map((response) => layOut(response, layout)));
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
      ...(query.metricName ? { metricName: plain(query.metricName), labels: valuesOf(query.labels, plain) } : {}),
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
  async metricFindQuery(
    variable: SavedVariable,
    options?: { scopedVars?: ScopedVars; range?: TimeRange }
  ): Promise<MetricFindValue[]> {
    return (await this.variableChoices(variable, options)).entries;
  }

  /** These values, and whether there are more of them than were listed. */
  async variableChoices(
    variable: SavedVariable,
    options?: { scopedVars?: ScopedVars; range?: TimeRange }
  ): Promise<Limited<MetricFindValue>> {
    const text = textOf(variable);
    if (text.trim() === '') {
      return { entries: [], truncated: false };
    }
    const variables = { ...options?.scopedVars, ...this.intervalVariables(), ...rangeVariables(options?.range) };
    const query = isPattern(text)
      ? // Of several values each may be meant: `metrics(${app}_.*)`.
        this.templates.replace(text, variables, 'regex')
      : interpolatePromQL(text, (from, formatter) => this.templates.replace(from, variables, formatter));
    // Not `postResource`: it hands on no headers, and one of them says that the list was cut.
    const answer = getBackendSrv().fetch<MetricFindValue[]>({
      method: 'POST',
      url: `/api/datasources/uid/${this.uid}/resources/variable-query`,
      headers: this.getRequestHeaders(),
      data: { query, ...times(options?.range) },
    });
    return plainList(await lastValueFrom(answer));
  }

  /** Names for ad-hoc filters and grouping: the labels of what the dashboard shows, other filters applied. */
  async getTagKeys(options?: DataSourceGetTagKeysOptions<PanelQuery>): Promise<MetricFindValue[]> {
    const names = await this.suggest({
      queries: expressions(options?.queries),
      adhocFilters: options?.filters.map(backendFilter),
      ...times(options?.timeRange),
    });
    return names.filter((name) => name !== '__name__').map((text) => ({ text, value: text }));
  }

  /** The values of one of these labels. */
  async getTagValues(options: DataSourceGetTagValuesOptions<PanelQuery>): Promise<MetricFindValue[]> {
    const values = await this.suggest({
      labelName: options.key,
      queries: expressions(options.queries),
      // The filter that is being changed must not hide its own alternatives.
      adhocFilters: options.filters.filter(({ key }) => key !== options.key).map(backendFilter),
      ...times(options.timeRange),
    });
    return values.map((text) => ({ text, value: text }));
  }

  /** The labels of the series that a selector means, of all where it is empty. */
  labelNames({ selector, range }: { selector: string; range?: TimeRange }): Promise<Limited<string>> {
    const query = interpolatePromQL(selector, (from, formatter) => this.templates.replace(from, {}, formatter));
    const between = range && { start: range.from.valueOf() / 1000, end: range.to.valueOf() / 1000 };
    return labelNames(this, query.trim(), between);
  }

  getSupportedQueryModifications(): string[] {
    return ['ADD_FILTER', 'ADD_FILTER_OUT'];
  }

  /** Adds what someone clicked in Explore to the query. */
  modifyQuery(query: PanelQuery, action: QueryFixAction): PanelQuery {
    const { key, value } = action.options ?? {};
    if (key === undefined || value === undefined) {
      return query;
    }
    switch (action.type) {
      case 'ADD_FILTER':
        return filtered(query, { key, operator: '=', value });
      case 'ADD_FILTER_OUT':
        return filtered(query, { key, operator: '!=', value });
      default:
        return query;
    }
  }

  /** Sets a filter, takes its opposite away, or takes it away where it is set already. */
  toggleQueryFilter(query: PanelQuery, { type, options }: ToggleFilterAction): PanelQuery {
    const { key = '', value = '' } = options;
    const wanted = { key, operator: type === 'FILTER_FOR' ? '=' : '!=', value };
    const opposite = { key, operator: type === 'FILTER_FOR' ? '!=' : '=', value };
    const text = query.expr || query.queryText || '';
    const expr = hasCondition(text, wanted)
      ? withConditions(text, [], [wanted])
      : withConditions(text, [wanted], [opposite]);
    return { ...query, expr };
  }

  queryHasFilter(query: PanelQuery, { key = '', value = '' }: QueryFilterOptions): boolean {
    return hasCondition(query.expr || query.queryText || '', { key, operator: '=', value });
  }

  private async suggest(question: Record<string, unknown>): Promise<string[]> {
    const { data } = await this.postResource<{ data: string[] | null }>('suggestions', question);
    return data ?? [];
  }

  /** What the interval macros stand for where there is no panel whose width could tell. */
  private intervalVariables(): ScopedVars {
    const interval = this.interval ?? DEFAULT_SCRAPE_INTERVAL;
    const ms = rangeUtil.intervalToMs(interval);
    return {
      __interval: { value: interval },
      __interval_ms: { value: ms },
      __rate_interval: { value: `${(4 * ms) / 1000}s` },
    };
  }
}

/** Label values with their variables replaced; the backend puts them between quotes. */
function valuesOf(labels: PanelQuery['labels'], replace: (text?: string) => string | undefined): PanelQuery['labels'] {
  return labels && Object.fromEntries(Object.entries(labels).map(([label, value]) => [label, replace(value) ?? '']));
}

function filtered(query: PanelQuery, condition: Condition): PanelQuery {
  return { ...query, expr: withConditions(query.expr || query.queryText || '', [condition]) };
}

function expressions(queries: PanelQuery[] | undefined): string[] {
  return (queries ?? []).map(({ expr, queryText }) => expr || queryText || '').filter((expr) => expr.trim() !== '');
}

/** A time range as Prometheus's API takes it, in seconds. */
function times(range: TimeRange | undefined): { start?: string; end?: string } {
  return range ? { start: String(range.from.valueOf() / 1000), end: String(range.to.valueOf() / 1000) } : {};
}

function rangeVariables(range: TimeRange | undefined): ScopedVars {
  if (!range) {
    return {};
  }
  const ms = range.to.valueOf() - range.from.valueOf();
  const seconds = Math.max(1, Math.round(ms / 1000));
  return { __range: { value: `${seconds}s` }, __range_s: { value: seconds }, __range_ms: { value: ms } };
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
