/** Example queries beside the editor, made of this app's own metrics. A click takes one over. */
import { css } from '@emotion/css';
import { CoreApp, type GrafanaTheme2, type QueryEditorHelpProps } from '@grafana/data';
import { Alert, Button, LoadingPlaceholder, Stack, Text, TextLink, useStyles2 } from '@grafana/ui';
import { Fragment, useEffect, useState } from 'react';

import type { HeadwaterDataSource } from '../datasource';
import { defaultQuery } from '../query';
import { describedMetrics, lookupProblem } from '../resources';
import { t } from '../translate';
import type { PanelQuery } from '../types';
import { type Example, examplesOf, type ExampleTexts, knownMetrics } from './examples';

export type Props = QueryEditorHelpProps<PanelQuery>;

export default function QueryHelp({ datasource, onClickExample }: Props) {
  const styles = useStyles2(getStyles);
  const [examples, setExamples] = useState<Example[]>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    let left = false;
    describedMetrics(datasource as unknown as HeadwaterDataSource).then(
      ({ metadata, names }) => left || setExamples(examplesOf(knownMetrics(metadata, names), texts)),
      (error) => left || setProblem(lookupProblem(error))
    );
    return () => {
      left = true;
    };
  }, [datasource]);

  return (
    <Stack direction="column" gap={2} data-testid="headwater-query-help">
      <div>
        <Text element="h4">{t('help.title', 'Queries for this app')}</Text>
        <Text color="secondary" element="p">
          {t('help.intro', 'Made of the metrics that this data source has. Click one to take it over.')}
        </Text>
      </div>
      {problem !== undefined && (
        <Alert severity="warning" title={t('help.failed', 'The metrics cannot be looked up')}>
          {problem}
        </Alert>
      )}
      {!examples && problem === undefined && <LoadingPlaceholder text={t('help.loading', 'Looking at the metrics…')} />}
      {examples && (
        <ul className={styles.list}>
          {examples.map(({ title, expr, text }) => (
            <li key={`${title} ${expr}`} className={styles.example}>
              <Text element="h6">{title}</Text>
              <Button
                className={styles.query}
                fill="text"
                variant="secondary"
                onClick={() => onClickExample({ refId: 'A', ...defaultQuery(CoreApp.Explore), expr })}
              >
                <code className={styles.code}>
                  <Breakable expr={expr} />
                </code>
              </Button>
              <Text color="secondary" variant="bodySmall" element="p">
                {text}
              </Text>
            </li>
          ))}
        </ul>
      )}
      <TextLink external href="https://prometheus.io/docs/prometheus/latest/querying/basics/">
        {t('help.promql', 'More about PromQL')}
      </TextLink>
    </Stack>
  );
}

/** A query that breaks behind its brackets and commas rather than inside of a name. */
function Breakable({ expr }: { expr: string }) {
  return expr.split(/(?<=[([{,])/).map((part, at) => (
    <Fragment key={at}>
      {at > 0 && <wbr />}
      {part}
    </Fragment>
  ));
}

const texts: ExampleTexts = {
  rate: (name) => t('help.rate', '{{name}} per second', { name }),
  rateText: () =>
    t(
      'help.rate-text',
      'How fast the counter grows, all its series together. $__rate_interval is wide enough for the scrape interval.'
    ),
  quantile: (name) => t('help.quantile', '95th percentile of {{name}}', { name }),
  quantileText: () =>
    t(
      'help.quantile-text',
      'The value below which 95 of 100 observations lie, estimated from the histogram’s buckets.'
    ),
  average: (name) => t('help.average', 'Average of {{name}}', { name }),
  averageText: () => t('help.average-text', 'The sum of what was observed, divided by how often.'),
  gauge: (name) => t('help.gauge', '{{name}} as it is', { name }),
  gaugeText: () => t('help.gauge-text', 'A gauge goes up and down: its value is shown as it is.'),
  up: () => t('help.up', 'Which targets answer'),
  upText: () => t('help.up-text', '1 where the last scrape worked, 0 where it did not.'),
};

const getStyles = (theme: GrafanaTheme2) => ({
  list: css({
    listStyle: 'none',
    display: 'grid',
    gap: theme.spacing(2),
    gridTemplateColumns: 'repeat(auto-fill, minmax(380px, 1fr))',
  }),
  example: css({
    padding: theme.spacing(1.5),
    background: theme.colors.background.secondary,
    borderRadius: theme.shape.radius.default,
  }),
  query: css({ height: 'auto', padding: 0, textAlign: 'left', margin: theme.spacing(0.5, 0) }),
  code: css({ whiteSpace: 'normal', overflowWrap: 'anywhere' }),
});
