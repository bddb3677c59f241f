/** The editors as parts of their own: whoever only looks at a dashboard does not download them. */
import { LoadingPlaceholder } from '@grafana/ui';
import { lazy, Suspense } from 'react';

import type { Props as AnnotationEditorProps } from './annotations/AnnotationEditor';
import type { Props as ConfigEditorProps } from './config/ConfigEditor';
import type { Props as QueryEditorProps } from './editor/QueryEditor';
import type { Props as QueryHelpProps } from './help/QueryHelp';
import type { Props as VariableEditorProps } from './variables/VariableEditor';

/** The editor, once its texts can be shown. */
async function translated<T>(editor: Promise<T>): Promise<T> {
  const { ready } = await import(/* webpackChunkName: "translations" */ './translations');
  await ready;
  return editor;
}

const ConfigEditor = lazy(() => translated(import(/* webpackChunkName: "config-editor" */ './config/ConfigEditor')));
const AnnotationEditor = lazy(() =>
  translated(import(/* webpackChunkName: "annotation-editor" */ './annotations/AnnotationEditor'))
);
const VariableEditor = lazy(() =>
  translated(import(/* webpackChunkName: "variable-editor" */ './variables/VariableEditor'))
);
const QueryHelp = lazy(() => translated(import(/* webpackChunkName: "query-help" */ './help/QueryHelp')));
const QueryEditor = lazy(() => translated(import(/* webpackChunkName: "query-editor" */ './editor/QueryEditor')));

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

export function LazyVariableEditor(props: VariableEditorProps) {
  return (
    <Suspense fallback={<LoadingPlaceholder text="Loading the editor…" />}>
      <VariableEditor {...props} />
    </Suspense>
  );
}

export function LazyAnnotationEditor(props: AnnotationEditorProps) {
  return (
    <Suspense fallback={<LoadingPlaceholder text="Loading the editor…" />}>
      <AnnotationEditor {...props} />
    </Suspense>
  );
}

export function LazyQueryHelp(props: QueryHelpProps) {
  return (
    <Suspense fallback={<LoadingPlaceholder text="Loading examples…" />}>
      <QueryHelp {...props} />
    </Suspense>
  );
}
