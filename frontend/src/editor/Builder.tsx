/** Puts a query together from its parts. */
import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { Field, Label, Stack, useStyles2 } from '@grafana/ui';
import { useId } from 'react';

import type { BuilderQuery, SeriesSource } from '../promql/model';
import { atProblem, offsetProblem } from '../promql/time_shift';
import type { LookupRange, MetricFacts, ResourceCaller } from '../resources';
import { t } from '../translate';
import { DraftInput } from './DraftInput';
import { LabelFilters } from './LabelFilters';
import { MetricField } from './MetricField';
import { newOperation, Operations } from './Operations';

export interface Props {
  caller: ResourceCaller;
  query: BuilderQuery;
  range?: LookupRange;
  onChange: (query: BuilderQuery) => void;
}

/** The width of a filter without a value, and of the button behind it. */
const ONE_FILTER = 344;

export function Builder({ caller, query, range, onChange }: Props) {
  const ids = useId();
  const styles = useStyles2(getStyles);
  const { source, operations } = query;

  const chooseMetric = (metric: string, facts?: MetricFacts) => {
    if (source.kind !== 'series') {
      return;
    }
    const proposed = operations.length === 0 && facts && onlyGrows(facts) ? [newOperation('rate', true)] : operations;
    onChange({ source: { ...source, metric }, operations: proposed });
  };

  return (
    <Stack direction="column" gap={1.5}>
      <div className={styles.selector}>
        {source.kind === 'series' ? (
          <>
            <div>
              <Label htmlFor={`${ids}-metric`}>{t('builder.metric', 'Metric')}</Label>
              <MetricField id={`${ids}-metric`} caller={caller} metric={source.metric} onChange={chooseMetric} />
            </div>
            <div className={styles.filters}>
              <Label>{t('builder.filters', 'Label filters')}</Label>
              <LabelFilters
                caller={caller}
                metric={source.metric}
                filters={source.labels}
                range={range}
                onChange={(labels) => onChange({ ...query, source: { ...source, labels } })}
              />
            </div>
            <TimeShift source={source} onChange={(changed) => onChange({ ...query, source: changed })} />
          </>
        ) : (
          <div>
            <Label htmlFor={`${ids}-value`}>{t('builder.value', 'Value')}</Label>
            <DraftInput
              id={`${ids}-value`}
              width={20}
              value={source.text}
              onCommit={(text) => onChange({ ...query, source: { ...source, text } })}
            />
          </div>
        )}
      </div>
      <Operations
        caller={caller}
        query={query}
        onChange={(changed) => onChange({ ...query, operations: changed })}
        nested={(inner, keep) => (
          <div className={styles.nested}>
            <Builder caller={caller} query={inner} range={range} onChange={keep} />
          </div>
        )}
      />
    </Stack>
  );
}

interface TimeShiftProps {
  source: SeriesSource;
  onChange: (source: SeriesSource) => void;
}

/** At which time the series are looked at, where that is not the time of each point. */
function TimeShift({ source, onChange }: TimeShiftProps) {
  const ids = useId();
  const { offset = '', at = '' } = source;
  const problems = { offset: offsetProblem(offset), at: atProblem(at) };
  return (
    <>
      <Field
        noMargin
        label={t('builder.offset', 'Offset')}
        htmlFor={`${ids}-offset`}
        invalid={problems.offset !== undefined}
        error={problems.offset}
      >
        <DraftInput
          id={`${ids}-offset`}
          width={12}
          placeholder={t('builder.no-offset', 'none')}
          value={offset}
          onCommit={(text) => onChange({ ...source, offset: text.trim() || undefined })}
        />
      </Field>
      <Field
        noMargin
        label={t('builder.at', 'At time (@)')}
        htmlFor={`${ids}-at`}
        invalid={problems.at !== undefined}
        error={problems.at}
      >
        <DraftInput
          id={`${ids}-at`}
          width={16}
          placeholder={t('builder.no-at', 'each point’s')}
          value={at}
          onCommit={(text) => onChange({ ...source, at: text.trim() || undefined })}
        />
      </Field>
    </>
  );
}

/** Whether a metric's own value says nothing until its growth is taken. */
function onlyGrows({ name, type }: MetricFacts): boolean {
  return type === 'counter' || ((type === 'histogram' || type === 'summary') && /_(bucket|count|sum)$/.test(name));
}

const getStyles = (theme: GrafanaTheme2) => ({
  selector: css({ display: 'flex', flexWrap: 'wrap', gap: theme.spacing(2), alignItems: 'flex-start' }),
  // As narrow as one filter, and with that room from the beginning: a filter that is added stands below the
  // others, or beside them where there is room, and moves neither its row nor the fields behind it to another line.
  filters: css({
    flex: '1 1 0',
    maxWidth: 'max-content',
    '&::before': { content: '""', display: 'block', width: ONE_FILTER },
  }),
  nested: css({
    padding: theme.spacing(1),
    background: theme.colors.background.secondary,
    borderRadius: theme.shape.radius.default,
  }),
});
