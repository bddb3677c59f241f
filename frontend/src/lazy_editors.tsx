/** The editors as parts of their own: whoever only looks at a dashboard does not download them. */
import { LoadingPlaceholder } from '@grafana/ui';
import { lazy, Suspense } from 'react';

import type { Props as ConfigEditorProps } from './config/ConfigEditor';
import type { Props as QueryEditorProps } from './editor/QueryEditor';

const ConfigEditor = lazy(() => import(/* webpackChunkName: "config-editor" */ './config/ConfigEditor'));
const QueryEditor = lazy(() => import(/* webpackChunkName: "query-editor" */ './editor/QueryEditor'));

export function LazyConfigEditor(props: ConfigEditorProps) {
  return (
    <Suspense fallback={<LoadingPlaceholder text="Loading the settings…" />}>
      <ConfigEditor {...props} />
    </Suspense>
  );
}

export function LazyQueryEditor(props: QueryEditorProps) {
  return (
    <Suspense fallback={<LoadingPlaceholder text="Loading the query editor…" />}>
      <QueryEditor {...props} />
    </Suspense>
  );
}
