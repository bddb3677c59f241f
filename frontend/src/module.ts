/** What Grafana loads first: the data source itself. The editors follow when someone edits. */
import './public_path';

import { DataSourcePlugin } from '@grafana/data';

import { HeadwaterDataSource } from './datasource';
import { LazyConfigEditor, LazyQueryEditor, LazyQueryHelp } from './lazy_editors';
import type { DataSourceOptions, PanelQuery, SecureOptions } from './types';

export const plugin = new DataSourcePlugin<HeadwaterDataSource, PanelQuery, DataSourceOptions, SecureOptions>(
  HeadwaterDataSource
)
  .setConfigEditor(LazyConfigEditor)
  .setQueryEditor(LazyQueryEditor)
  .setQueryEditorHelp(LazyQueryHelp);
