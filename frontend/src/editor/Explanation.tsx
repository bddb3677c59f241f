/** What a query does in words, what is likely to be wrong with it, and how its step comes about. */
import { css } from '@emotion/css';
import type { DataFrame, GrafanaTheme2, PanelData } from '@grafana/data';
import { Button, Icon, Stack, Text, useStyles2 } from '@grafana/ui';
import { useEffect, useMemo, useState } from 'react';

import { explain, type Explained } from '../promql/explain';
import { dependsOnInterval, durationText, hintsFor, rateIntervalWords, secondsOf } from '../promql/hints';
import { type BuilderQuery, renderSelector, type SeriesSource } from '../promql/model';
import { sampleDistance } from '../promql/sample_distance';
import { metricFacts, type MetricFacts, type ResourceCaller } from '../resources';
import { t } from '../translate';

export function Explanation({ query }: { query: BuilderQuery }) {
  const styles = useStyles2(getStyles);
  return (
    <section aria-label={t('explain.title', 'Explanation')} className={styles.box}>
      <Steps steps={explain(query)} />
    </section>
  );
}

function Steps({ steps }: { steps: Explained[] }) {
  const styles = useStyles2(getStyles);
  return (
    <ol className={styles.steps}>
      {steps.map(({ part, words, inner }, at) => (
        <li key={at}>
          <code>{part}</code>
          <div>{words}</div>
          {inner && <Steps steps={inner} />}
        </li>
      ))}
    </ol>
  );
}

interface HintsProps {
  caller: ResourceCaller;
  query: BuilderQuery;
  scrapeSeconds: number;
  onFix: (query: BuilderQuery) => void;
}

export function Hints({ caller, query, scrapeSeconds, onFix }: HintsProps) {
  const metric = query.source.kind === 'series' ? query.source.metric : '';
  const [facts, setFacts] = useState<MetricFacts>();

  useEffect(() => {
    let wanted = true;
    if (metric && !metric.includes('$')) {
      // Without facts there are fewer hints; that is no reason to disturb anyone.
      metricFacts(caller, metric).then(
        (found) => wanted && found && setFacts(found),
        () => undefined
      );
    }
    return () => {
      wanted = false;
    };
  }, [caller, metric]);

  const sampled = useMemo(() => sampledSeries(query), [query]);
  const selector = sampled && renderSelector(sampled);
  const [measured, setMeasured] = useState<{ selector: string; seconds?: number }>();
  useEffect(() => {
    let wanted = true;
    if (sampled && selector) {
      sampleDistance(caller, sampled).then(
        (seconds) => wanted && setMeasured({ selector, seconds }),
        () => undefined
      );
    }
    return () => {
      wanted = false;
    };
    // The same series in a new object need no new look.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [caller, selector]);

  const hints = hintsFor(query, facts?.name === metric ? facts : undefined, {
    configured: scrapeSeconds,
    measured: measured?.selector === selector ? measured?.seconds : undefined,
  });
  return (
    <>
      {hints.map(({ text, fix }) => (
        <Stack key={text} direction="row" gap={1} alignItems="center" wrap="wrap">
          <Icon name="info-circle" />
          <Text variant="bodySmall">{text}</Text>
          {fix && (
            <Button size="sm" fill="outline" variant="secondary" onClick={() => onFix(fix.query)}>
              {fix.label}
            </Button>
          )}
        </Stack>
      ))}
    </>
  );
}

/** The series whose samples decide on a hint; a filter by a variable is left out. */
function sampledSeries(query: BuilderQuery): SeriesSource | undefined {
  const { source } = query;
  if (!dependsOnInterval(query) || source.kind !== 'series' || !source.metric || source.metric.includes('$')) {
    return undefined;
  }
  const labels = source.labels.filter(({ label, value }) => label && !`${label}${value}`.includes('$'));
  return { kind: 'series', metric: source.metric, labels };
}

interface StepProps {
  data?: PanelData;
  refId: string;
  expr: string;
  scrapeSeconds: number;
}

export function StepWords({ data, refId, expr, scrapeSeconds }: StepProps) {
  const step = stepOf(data?.series.find((frame) => frame.refId === refId));
  if (step === undefined) {
    return null;
  }
  const rate = expr.includes('__rate_interval') ? ` ${rateIntervalWords(step, scrapeSeconds)}` : '';
  return (
    <Text variant="bodySmall" color="secondary">
      {t('step.words', 'Step: {{step}}.', { step: durationText(step) })}
      {rate}
    </Text>
  );
}

/** The step that the backend took, in seconds, from what it says it asked. */
function stepOf(frame: DataFrame | undefined): number | undefined {
  const text = /^Step: (.+)$/m.exec(frame?.meta?.executedQueryString ?? '')?.[1];
  return text === undefined ? undefined : secondsOf(text.trim());
}

const getStyles = (theme: GrafanaTheme2) => ({
  box: css({
    padding: theme.spacing(1, 1.5),
    background: theme.colors.background.secondary,
    borderRadius: theme.shape.radius.default,
  }),
  steps: css({
    margin: 0,
    paddingLeft: theme.spacing(3),
    li: { marginBottom: theme.spacing(0.75) },
    div: { color: theme.colors.text.secondary },
  }),
});
