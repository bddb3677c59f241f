/** The editor of one query: in panels, Explore, alert rules and annotations. */
import { css } from '@emotion/css';
import { CoreApp, type GrafanaTheme2, type QueryEditorProps } from '@grafana/data';
import {
  Alert,
  Button,
  InlineField,
  InlineSwitch,
  Label,
  LoadingPlaceholder,
  RadioButtonGroup,
  Stack,
  useStyles2,
} from '@grafana/ui';
import { lazy, Suspense, useId, useMemo, useState } from 'react';

import { selectionOf } from '../browser/selection';
import type { HeadwaterDataSource } from '../datasource';
import { durationProblem } from '../duration';
import { isBuilt, textOfQuery, WITHOUT_PARTS } from '../promql/built';
import { secondsOf } from '../promql/hints';
import { layOutQuery } from '../promql/layout';
import { type BuilderQuery, renderQuery } from '../promql/model';
import { parseQuery } from '../promql/parse';
import { queryType, queryTypeFlags, type QueryType, withDefaults } from '../query';
import type { DataSourceOptions, EditorMode, PanelQuery, ResultFormat } from '../types';
import { Builder } from './Builder';
import { DraftInput } from './DraftInput';
import { ExpressionField } from './ExpressionField';
import { Explanation, Hints, StepWords } from './Explanation';
import { LegendField } from './LegendField';

const MetricsBrowser = lazy(() => import(/* webpackChunkName: "metrics-browser" */ '../browser/MetricsBrowser'));
const CodeField = lazy(() => import(/* webpackChunkName: "code-editor" */ './CodeField'));

export type Props = QueryEditorProps<HeadwaterDataSource, PanelQuery, DataSourceOptions>;

const FORMATS: Array<{ value: ResultFormat; label: string; description: string }> = [
  { value: 'time_series', label: 'Time series', description: 'One line per series' },
  { value: 'table', label: 'Table', description: 'One row per sample, a column per label' },
  { value: 'heatmap', label: 'Heatmap', description: 'The buckets of a histogram' },
];

const TYPES: Array<{ value: QueryType; label: string; description: string }> = [
  { value: 'range', label: 'Range', description: 'Evaluate along the whole time range' },
  { value: 'instant', label: 'Instant', description: 'Evaluate once, at the end of the time range' },
  { value: 'both', label: 'Both', description: 'Evaluate along the time range, and once at its end' },
];

const MODES: Array<{ value: EditorMode; label: string }> = [
  { value: 'builder', label: 'Builder' },
  { value: 'code', label: 'Code' },
];

export default function QueryEditor({
  app = CoreApp.Unknown,
  datasource,
  query: saved,
  data,
  range,
  onChange,
  onRunQuery,
}: Props) {
  const query = withDefaults(saved, app);
  const ids = useId();
  const styles = useStyles2(getStyles);
  const [explained, setExplained] = useState(false);
  const [browsing, setBrowsing] = useState(false);
  const type = queryType(query);
  const interval = query.interval ?? '';
  const intervalProblem = durationProblem(interval);
  const expr = textOfQuery(query);

  // The builder may hold more than its text says: a label filter without a name is not sent.
  const [built, setBuilt] = useState<{ expr: string; query: BuilderQuery }>();
  const parsed = useParsed(expr);
  const shown = built && built.expr === expr ? built.query : parsed.ok ? parsed.query : undefined;
  const wanted: EditorMode = query.editorMode ?? (isBuilt(query) ? 'builder' : 'code');
  // A text that the builder cannot show is shown as text, whoever wrote it.
  const mode: EditorMode = wanted === 'builder' && shown ? 'builder' : 'code';

  // An emptied text must not bring an older `queryText`, or parts, back.
  // Nor may it count as a new query, which starts in the other editor.
  const changeText = (text: string) =>
    onChange({ ...query, ...WITHOUT_PARTS, expr: text, ...(text === '' ? { editorMode: wanted } : {}) });
  const changeAndRun = (change: Partial<PanelQuery>) => {
    onChange({ ...query, ...change });
    onRunQuery();
  };
  const changeBuilt = (changed: BuilderQuery) => {
    const text = renderQuery(sendable(changed));
    setBuilt({ expr: text, query: changed });
    changeText(text);
  };

  // An alert rule reads one value per series under one name: both at once would be neither.
  const types = TYPES.filter(({ value }) => value !== 'both' || type === 'both' || app !== CoreApp.UnifiedAlerting);
  const lookupRange = range && { start: range.from.unix(), end: range.to.unix() };
  const scrapeSeconds = secondsOf(datasource.interval ?? '') ?? 15;
  const problem = data?.errors?.find(({ refId }) => refId === query.refId) ?? undefined;

  return (
    <Stack direction="column" gap={1} data-testid="headwater-query-editor">
      <Stack direction="row" gap={1} wrap="wrap" alignItems="center" justifyContent="flex-end">
        <InlineSwitch
          id={`${ids}-explain`}
          label="Explain"
          showLabel
          transparent
          value={explained}
          onChange={(event) => setExplained(event.currentTarget.checked)}
        />
        {app !== CoreApp.Explore && (
          // Explore has a button of its own for all its queries.
          <Button
            size="sm"
            variant="secondary"
            icon="play"
            tooltip="Shift-Enter in the query does the same"
            onClick={onRunQuery}
          >
            Run query
          </Button>
        )}
        <RadioButtonGroup
          aria-label="Editor"
          size="sm"
          options={MODES}
          value={wanted}
          onChange={(editorMode) => onChange({ ...query, editorMode })}
        />
      </Stack>
      {wanted === 'builder' && !shown && !parsed.ok && (
        <Alert severity="warning" title="The builder cannot show this query" className={styles.warning}>
          {capital(parsed.reason)}. The text stays as it is.
        </Alert>
      )}
      {mode === 'builder' && shown ? (
        <Stack direction="column" gap={1}>
          <Builder caller={datasource} query={shown} range={lookupRange} onChange={changeBuilt} />
          {expr && (
            <div>
              <Label>Query as it is sent</Label>
              <pre className={styles.raw} data-testid="headwater-raw-query">
                {expr}
              </pre>
            </div>
          )}
        </Stack>
      ) : (
        <div>
          <Stack direction="row" justifyContent="space-between" alignItems="flex-end">
            <Label htmlFor={`${ids}-expr`}>PromQL</Label>
            <Button
              size="sm"
              fill="text"
              variant="secondary"
              icon={browsing ? 'angle-down' : 'angle-right'}
              aria-expanded={browsing}
              className={styles.browse}
              onClick={() => setBrowsing(!browsing)}
            >
              Metrics browser
            </Button>
            <Button
              size="sm"
              fill="text"
              variant="secondary"
              icon="brackets-curly"
              tooltip="Set the query over several lines where it is long"
              disabled={expr.trim() === ''}
              onClick={() => changeText(layOutQuery(expr))}
            >
              Format
            </Button>
          </Stack>
          <Suspense
            // The plain field is there at once, and as tall. What is typed into it would be lost.
            fallback={
              <ExpressionField id={`${ids}-expr`} readOnly expr={expr} onChange={changeText} onRun={onRunQuery} />
            }
          >
            <CodeField
              id={`${ids}-expr`}
              expr={expr}
              caller={datasource}
              variables={() => datasource.variableNames()}
              onChange={changeText}
              onRun={onRunQuery}
            />
          </Suspense>
          {browsing && (
            <Suspense fallback={<LoadingPlaceholder text="Loading the metrics browser…" />}>
              <MetricsBrowser
                caller={datasource}
                range={lookupRange}
                initial={shown?.source.kind === 'series' ? selectionOf(shown.source) : { metric: '', labels: [] }}
                onUse={(text) => {
                  setBrowsing(false);
                  changeAndRun({ ...WITHOUT_PARTS, expr: text });
                }}
              />
            </Suspense>
          )}
        </div>
      )}
      {problem?.message && (
        <div role="alert" className={styles.problem}>
          {placeOf(problem.message, expr)}
        </div>
      )}
      {shown && (
        <Hints
          caller={datasource}
          query={shown}
          scrapeSeconds={scrapeSeconds}
          onFix={(fixed) => {
            const text = renderQuery(fixed);
            setBuilt(undefined);
            changeAndRun({ ...WITHOUT_PARTS, expr: text });
          }}
        />
      )}
      {explained && (parsed.ok && expr ? <Explanation query={parsed.query} /> : <NotExplained expr={expr} />)}
      {(explained || expr.includes('$__rate_interval') || expr.includes('${__rate_interval')) && (
        <StepWords data={data} refId={query.refId} expr={expr} scrapeSeconds={scrapeSeconds} />
      )}
      <Stack direction="row" wrap="wrap" gap={0.5} alignItems="flex-start">
        <LegendField
          id={`${ids}-legend`}
          value={query.legendFormat ?? ''}
          onCommit={(legendFormat) => changeAndRun({ legendFormat })}
        />
        <InlineField
          label="Min step"
          tooltip="The smallest distance between two points, as a duration such as 15s, or $__rate_interval. Empty: as the panel's width asks."
          htmlFor={`${ids}-interval`}
          invalid={intervalProblem !== undefined}
          error={intervalProblem}
        >
          <DraftInput
            id={`${ids}-interval`}
            width={12}
            placeholder="auto"
            value={interval}
            onCommit={(text) => changeAndRun({ interval: text.trim() || undefined })}
          />
        </InlineField>
        <InlineField label="Type">
          <RadioButtonGroup
            aria-label="Type"
            options={types}
            value={type}
            onChange={(chosen) => changeAndRun(queryTypeFlags(chosen))}
          />
        </InlineField>
        <InlineField label="Format">
          <RadioButtonGroup
            aria-label="Format"
            options={FORMATS}
            value={resultFormat(query.format)}
            onChange={(format) => changeAndRun({ format })}
          />
        </InlineField>
        {type !== 'instant' && app !== CoreApp.UnifiedAlerting && (
          <InlineSwitch
            id={`${ids}-exemplars`}
            label="Exemplars"
            showLabel
            value={query.exemplar ?? false}
            onChange={(event) => changeAndRun({ exemplar: event.currentTarget.checked })}
          />
        )}
      </Stack>
    </Stack>
  );
}

/** The text as the builder's query, read anew only when it changed. */
function useParsed(expr: string) {
  return useMemo(() => parseQuery(expr), [expr]);
}

function NotExplained({ expr }: { expr: string }) {
  return <div>{expr ? 'Only what the builder can show is explained.' : 'There is nothing to explain yet.'}</div>;
}

/** The query without the parts that are not filled in yet. */
function sendable(query: BuilderQuery): BuilderQuery {
  const { source, operations } = query;
  const empty = source.kind === 'series' && source.metric === '' && source.labels.every(({ label }) => !label);
  if (empty) {
    return { source: { kind: 'value', text: '' }, operations: [] };
  }
  return {
    source: source.kind === 'series' ? { ...source, labels: source.labels.filter(({ label }) => label) } : source,
    operations: operations.flatMap((operation) => {
      if (operation.kind !== 'binary' || typeof operation.operand === 'string') {
        return [operation];
      }
      const operand = sendable(operation.operand);
      return renderQuery(operand) ? [{ ...operation, operand }] : [];
    }),
  };
}

/** An error, and below it the line of the query that it names, with a mark at the place. */
function placeOf(message: string, expr: string) {
  const place = /\b(\d+):(\d+): parse error/.exec(message);
  const line = place && expr.split('\n')[Number(place[1]) - 1];
  if (!place || line === undefined || line === null) {
    return message;
  }
  return (
    <>
      {message}
      <pre>{`${line}\n${' '.repeat(Math.max(0, Number(place[2]) - 1))}^`}</pre>
    </>
  );
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The format to show as chosen: saved queries may hold a number, or a format nobody knows. */
function resultFormat(saved: unknown): ResultFormat {
  return FORMATS.find(({ value }) => value === saved)?.value ?? 'time_series';
}

const getStyles = (theme: GrafanaTheme2) => ({
  warning: css({ marginBottom: 0 }),
  browse: css({ marginLeft: 'auto' }),
  raw: css({
    margin: 0,
    padding: theme.spacing(0.75, 1),
    whiteSpace: 'pre-wrap',
    background: theme.colors.background.canvas,
    border: `1px solid ${theme.colors.border.weak}`,
    borderRadius: theme.shape.radius.default,
    fontSize: theme.typography.bodySmall.fontSize,
  }),
  problem: css({
    color: theme.colors.error.text,
    fontSize: theme.typography.bodySmall.fontSize,
    pre: { margin: theme.spacing(0.5, 0, 0), color: 'inherit', fontSize: 'inherit' },
  }),
});
