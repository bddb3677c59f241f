/** Exemplars as marks over a graph, with the way to their traces. */
import { type DataFrame, type DataLink, DataTopic } from '@grafana/data';

import type { ExemplarTraceIdDestination } from '../types';

/** A link of the settings, with the name of the data source that it leads to. */
export interface LinkTarget extends ExemplarTraceIdDestination {
  /** `undefined` where the settings name none, or one that is not there. */
  dataSourceName?: string;
}

/** Shows a frame of exemplars as marks, and links each trace's id to where `links` say. */
export function withTraceLinks(frame: DataFrame, links: LinkTarget[]): DataFrame {
  return {
    ...frame,
    fields: frame.fields.map((field) => {
      const own = links.filter(({ name }) => name === field.name).flatMap(dataLinks);
      return own.length === 0
        ? field
        : { ...field, config: { ...field.config, links: [...(field.config.links ?? []), ...own] } };
    }),
    meta: { ...frame.meta, dataTopic: DataTopic.Annotations },
  };
}

function dataLinks({ url, urlDisplayLabel, datasourceUid, dataSourceName }: LinkTarget): DataLink[] {
  const links: DataLink[] = [];
  if (datasourceUid && dataSourceName !== undefined) {
    links.push({
      title: urlDisplayLabel || `Query with ${dataSourceName}`,
      url: '',
      internal: {
        query: { query: '${__value.raw}', queryType: 'traceId' },
        datasourceUid,
        datasourceName: dataSourceName,
      },
    });
  }
  if (url) {
    links.push({ title: urlDisplayLabel || `Go to ${url}`, url, targetBlank: true });
  }
  return links;
}
