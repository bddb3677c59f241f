/** Answers the queries of dashboard variables. */
import { CustomVariableSupport, type DataQueryRequest, type DataQueryResponse } from '@grafana/data';
import type { DataQuery } from '@grafana/schema';
import { BehaviorSubject, from, map, type Observable } from 'rxjs';

import type { HeadwaterDataSource } from '../datasource';
import { LazyVariableEditor } from '../lazy_editors';
import type { DataSourceOptions, PanelQuery } from '../types';
import { textOf } from './query_text';

export interface VariableDataQuery extends DataQuery {
  query?: string;
  qryType?: number;
}

/** A list of choices that a limit cut: of which query, and after how many. */
export interface CutChoices {
  query: string;
  listed: number;
}

export class HeadwaterVariables extends CustomVariableSupport<
  HeadwaterDataSource,
  VariableDataQuery,
  PanelQuery,
  DataSourceOptions
> {
  editor = LazyVariableEditor;

  /** Whether the newest list was cut: Grafana shows the choices, and has no place to say it. */
  readonly cut = new BehaviorSubject<CutChoices | undefined>(undefined);

  constructor(private readonly dataSource: HeadwaterDataSource) {
    super();
  }

  query(request: DataQueryRequest<VariableDataQuery>): Observable<DataQueryResponse> {
    const { targets, range, scopedVars } = request;
    const [target] = targets;
    const query = textOf(target);
    const found = this.dataSource.variableChoices(query, { scopedVars, range });
    return from(found).pipe(
      map(({ entries, truncated }) => {
        this.cut.next(truncated ? { query, listed: entries.length } : undefined);
        return { data: entries };
      })
    );
  }
}
