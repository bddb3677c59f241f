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
import { t } from '../translate';
import type { DataSourceOptions, EditorMode, PanelQuery, ResultFormat } from '../types';
import { Builder } from './Builder';
import { DraftInput } from './DraftInput';
import { ExpressionField } from './ExpressionField';
import { Explanation, Hints, StepWords } from './Explanation';
import { LegendField } from './LegendField';

const MetricsBrowser = lazy(() => import(/* webpackChunkName: "metrics-browser" */ '../browser/MetricsBrowser'));
const CodeField = lazy(() => import(/* webpackChunkName: "code-editor" */ './CodeField'));

export type Props = QueryEditorProps<HeadwaterDataSource, PanelQuery, DataSourceOptions>;

interface Choice<T> {
  value: T;
  label: string;
  description: string;
}

function formats(): Array<Choice<ResultFormat>> {
  return [
    {
      value: 'time_series',
      label: t('query.time-series', 'Time series'),
      description: t('query.time-series-description', 'One line per series'),
    },
    {
      value: 'table',
      label: t('query.table', 'Table'),
      description: t('query.table-description', 'One row per sample, a column per label'),
    },
    {
      value: 'heatmap',
      label: t('query.heatmap', 'Heatmap'),
      description: t('query.heatmap-description', 'The buckets of a histogram'),
    },
  ];
}

function types(): Array<Choice<QueryType>> {
  return [
    {
      value: 'range',
      label: t('query.range', 'Range'),
      description: t('query.range-description', 'Evaluate along the whole time range'),
    },
    {
      value: 'instant',
      label: t('query.instant', 'Instant'),
      description: t('query.instant-description', 'Evaluate once, at the end of the time range'),
    },
    {
      value: 'both',
      label: t('query.both', 'Both'),
      description: t('query.both-description', 'Evaluate along the time range, and once at its end'),
    },
  ];
}

function modes(): Array<{ value: EditorMode; label: string }> {
  return [
    { value: 'builder', label: t('query.builder', 'Builder') },
    { value: 'code', label: t('query.code', 'Code') },
  ];
}

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
  const typesOffered = types().filter(
    ({ value }) => value !== 'both' || type === 'both' || app !== CoreApp.UnifiedAlerting
  );
  const lookupRange = range && { start: range.from.unix(), end: range.to.unix() };
  const scrapeSeconds = secondsOf(datasource.interval ?? '') ?? 15;
  const problem = data?.errors?.find(({ refId }) => refId === query.refId) ?? undefined;

  return (
    <Stack direction="column" gap={1} data-testid="headwater-query-editor">
      <Stack direction="row" gap={1} wrap="wrap" alignItems="center" justifyContent="flex-end">
        {/* A switch with a label of its own would name it twice, once where no name may stand. */}
        <InlineField label={t('query.explain', 'Explain')} htmlFor={`${ids}-explain`} transparent>
          <InlineSwitch
            id={`${ids}-explain`}
            transparent
            value={explained}
            onChange={(event) => setExplained(event.currentTarget.checked)}
          />
        </InlineField>
        {app !== CoreApp.Explore && (
          // Explore has a button of its own for all its queries.
          <Button
            size="sm"
            variant="secondary"
            icon="play"
            // Below they would lie over the query and what stands around it.
            tooltipPlacement="top"
            tooltip={t('query.run-tooltip', 'Shift-Enter in the query does the same')}
            onClick={onRunQuery}
          >
            {t('query.run', 'Run query')}
          </Button>
        )}
        <RadioButtonGroup
          aria-label={t('query.editor', 'Editor')}
          size="sm"
          options={modes()}
          value={wanted}
          onChange={(editorMode) => onChange({ ...query, editorMode })}
        />
      </Stack>
      {wanted === 'builder' && !shown && !parsed.ok && (
        <Alert
          severity="warning"
          title={t('query.not-shown', 'The builder cannot show this query')}
          className={styles.warning}
        >
          {t('query.not-shown-reason', '{{reason}}. The text stays as it is.', { reason: capital(parsed.reason) })}
        </Alert>
      )}
      {mode === 'builder' && shown ? (
        <Stack direction="column" gap={1}>
          <Builder caller={datasource} query={shown} range={lookupRange} onChange={changeBuilt} />
          {expr && (
            <div>
              <Label>{t('query.as-sent', 'Query as it is sent')}</Label>
              <pre className={styles.raw} data-testid="headwater-raw-query">
                {expr}
              </pre>
            </div>
          )}
        </Stack>
      ) : (
        <div>
          <Stack direction="row" justifyContent="space-between" alignItems="flex-end">
            <Label htmlFor={`${ids}-expr`}>{t('query.promql', 'PromQL')}</Label>
            <Button
              size="sm"
              fill="text"
              variant="secondary"
              icon={browsing ? 'angle-down' : 'angle-right'}
              aria-expanded={browsing}
              className={styles.browse}
              onClick={() => setBrowsing(!browsing)}
            >
              {t('browser.title', 'Metrics browser')}
            </Button>
            <Button
              size="sm"
              fill="text"
              variant="secondary"
              icon="brackets-curly"
              tooltipPlacement="top"
              tooltip={t('query.format-text-tooltip', 'Set the query over several lines where it is long')}
              disabled={expr.trim() === ''}
              onClick={() => changeText(layOutQuery(expr))}
            >
              {t('query.format-text', 'Format')}
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
            <Suspense fallback={<LoadingPlaceholder text={t('browser.loading', 'Loading the metrics browser…')} />}>
              <MetricsBrowser
                // Another data source of the same kind has other names.
                key={datasource.uid}
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
          label={t('query.min-step', 'Min step')}
          tooltip={t(
            'query.min-step-tooltip',
            'The smallest distance between two points, as a duration such as 15s, or $__rate_interval. Empty: as the panel’s width asks.'
          )}
          htmlFor={`${ids}-interval`}
          invalid={intervalProblem !== undefined}
          error={intervalProblem}
        >
          <DraftInput
            id={`${ids}-interval`}
            width={12}
            placeholder={t('query.auto', 'auto')}
            value={interval}
            onCommit={(text) => changeAndRun({ interval: text.trim() || undefined })}
          />
        </InlineField>
        <InlineField label={t('query.type', 'Type')}>
          <RadioButtonGroup
            aria-label={t('query.type', 'Type')}
            options={typesOffered}
            value={type}
            onChange={(chosen) => changeAndRun(queryTypeFlags(chosen))}
          />
        </InlineField>
        <InlineField label={t('query.format', 'Format')}>
          <RadioButtonGroup
            aria-label={t('query.format', 'Format')}
            options={formats()}
            value={resultFormat(query.format)}
            onChange={(format) => changeAndRun({ format })}
          />
        </InlineField>
        {type !== 'instant' && app !== CoreApp.UnifiedAlerting && (
          <InlineField label={t('query.exemplars', 'Exemplars')} htmlFor={`${ids}-exemplars`}>
            <InlineSwitch
              id={`${ids}-exemplars`}
              value={query.exemplar ?? false}
              onChange={(event) => changeAndRun({ exemplar: event.currentTarget.checked })}
            />
          </InlineField>
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
  return (
    <div>
      {expr
        ? t('explain.only-builder', 'Only what the builder can show is explained.')
        : t('explain.nothing', 'There is nothing to explain yet.')}
    </div>
  );
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
  return isFormat(saved) ? saved : 'time_series';
}

function isFormat(saved: unknown): saved is ResultFormat {
  return saved === 'time_series' || saved === 'table' || saved === 'heatmap';
}

const getStyles = (theme: GrafanaTheme2) => ({
  warning: css({ marginBottom: 0 }),
  browse: css({ marginLeft: 'auto' }),
  raw: css({
    margin: 0,
    padding: theme.spacing(0.75, 1),
    // Grafana would break names in the middle.
    whiteSpace: 'pre-wrap',
    wordBreak: 'normal',
    overflowWrap: 'anywhere',
    background: theme.colors.background.canvas,
    border: `1px solid ${theme.colors.border.weak}`,
    borderRadius: theme.shape.radius.default,
    fontSize: theme.typography.bodySmall.fontSize,
  }),
  problem: css({
    color: theme.colors.error.text,
    fontSize: theme.typography.bodySmall.fontSize,
    // A line that is broken would have the mark at another place.
    pre: {
      margin: theme.spacing(0.5, 0, 0),
      whiteSpace: 'pre',
      overflowX: 'auto',
      color: 'inherit',
      fontSize: 'inherit',
    },
  }),
});
