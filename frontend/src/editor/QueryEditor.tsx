/** The editor of one query: in panels, Explore, alert rules and annotations. */
import { css } from '@emotion/css';
import { CoreApp, type GrafanaTheme2, type QueryEditorProps } from '@grafana/data';
import { Button, InlineField, Label, RadioButtonGroup, Stack, useStyles2 } from '@grafana/ui';
import { useId } from 'react';

import type { HeadwaterDataSource } from '../datasource';
import { durationProblem } from '../duration';
import { queryType, queryTypeFlags, type QueryType, withDefaults } from '../query';
import type { DataSourceOptions, PanelQuery, ResultFormat } from '../types';
import { DraftInput } from './DraftInput';
import { ExpressionField } from './ExpressionField';
import { LegendField } from './LegendField';

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

export default function QueryEditor({ app = CoreApp.Unknown, query: saved, onChange, onRunQuery }: Props) {
  const query = withDefaults(saved, app);
  const ids = useId();
  const styles = useStyles2(getStyles);
  const type = queryType(query);
  const interval = query.interval ?? '';
  const intervalProblem = durationProblem(interval);

  const changeAndRun = (change: Partial<PanelQuery>) => {
    onChange({ ...query, ...change });
    onRunQuery();
  };

  // An alert rule reads one value per series under one name: both at once would be neither.
  const types = TYPES.filter(({ value }) => value !== 'both' || type === 'both' || app !== CoreApp.UnifiedAlerting);

  return (
    <Stack direction="column" gap={1} data-testid="headwater-query-editor">
      <div>
        <Stack direction="row" justifyContent="space-between" alignItems="flex-end">
          <Label htmlFor={`${ids}-expr`}>PromQL</Label>
          {app !== CoreApp.Explore && (
            // Explore has a button of its own for all its queries.
            <Button
              className={styles.run}
              size="sm"
              variant="secondary"
              icon="play"
              tooltip="Shift-Enter in the query does the same"
              onClick={onRunQuery}
            >
              Run query
            </Button>
          )}
        </Stack>
        <ExpressionField
          id={`${ids}-expr`}
          expr={query.expr || query.queryText || ''}
          // An emptied text must not bring the older `queryText` back.
          onChange={(expr) => onChange({ ...query, expr, queryText: undefined })}
          onRun={onRunQuery}
        />
      </div>
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
      </Stack>
    </Stack>
  );
}

/** The format to show as chosen: saved queries may hold a number, or a format nobody knows. */
function resultFormat(saved: unknown): ResultFormat {
  return FORMATS.find(({ value }) => value === saved)?.value ?? 'time_series';
}

const getStyles = (theme: GrafanaTheme2) => ({
  run: css({ marginBottom: theme.spacing(0.5) }),
});
