/** Answers the queries of dashboard variables. */
import { CustomVariableSupport, type DataQueryRequest, type DataQueryResponse } from '@grafana/data';
import type { DataQuery } from '@grafana/schema';
import { from, map, type Observable } from 'rxjs';

import type { HeadwaterDataSource } from '../datasource';
import { LazyVariableEditor } from '../lazy_editors';
import type { DataSourceOptions, PanelQuery } from '../types';
import { textOf } from './query_text';

export interface VariableDataQuery extends DataQuery {
  query?: string;
  qryType?: number;
}

export class HeadwaterVariables extends CustomVariableSupport<
  HeadwaterDataSource,
  VariableDataQuery,
  PanelQuery,
  DataSourceOptions
> {
  editor = LazyVariableEditor;

  constructor(private readonly dataSource: HeadwaterDataSource) {
    super();
  }

  query(request: DataQueryRequest<VariableDataQuery>): Observable<DataQueryResponse> {
    const { targets, range, scopedVars } = request;
    const [target] = targets;
    const found = this.dataSource.metricFindQuery(textOf(target), { scopedVars, range });
    return from(found).pipe(map((choices) => ({ data: choices })));
  }
}
