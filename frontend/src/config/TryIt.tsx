/** Asks a target once, as it stands in the editor, and shows what it has or what is wrong. */
import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { Alert, Button, LoadingPlaceholder, Stack, Text, useStyles2 } from '@grafana/ui';
import { useState } from 'react';

import { t } from '../translate';
import { failureText, type Finding, type FoundMetric, type Trial, tryTarget } from './drafts';
import type { Settings } from './settings';

interface Props {
  settings: Settings;
  /** The place in `jsonData.targets`; the page at `url` without it. */
  entry?: number;
  disabled?: boolean;
  /** Switches to the remote engine, where the page turns out to be such a server's. */
  onServerFound?: () => void;
}

/** How many metrics and findings are shown before someone asks for all. */
const SHOWN = 8;

export function TryIt({ settings, entry, disabled, onServerFound }: Props) {
  const [trial, setTrial] = useState<Trial>();
  const [asking, setAsking] = useState(false);
  const ask = async () => {
    setAsking(true);
    try {
      setTrial(await tryTarget(settings, entry));
    } catch (error) {
      setTrial({ ok: false, error: failureText(error) });
    } finally {
      setAsking(false);
    }
  };
  return (
    <Stack direction="column" gap={1}>
      <div>
        <Button
          type="button"
          variant="secondary"
          icon="play"
          disabled={disabled || asking}
          // Below the button it would lie over what was found.
          tooltipPlacement="right"
          tooltip={t(
            'config.try.tooltip',
            'Fetches the metrics once from Grafana’s server, with the settings as they stand here. Nothing is saved.'
          )}
          onClick={() => void ask()}
        >
          {t('config.try.button', 'Try it')}
        </Button>
      </div>
      <div aria-live="polite">
        {asking && <LoadingPlaceholder text={t('config.try.asking', 'Asking the target…')} />}
        {!asking && trial && <Outcome trial={trial} onServerFound={onServerFound} />}
      </div>
    </Stack>
  );
}

function Outcome({ trial, onServerFound }: { trial: Trial; onServerFound?: () => void }) {
  if (!trial.ok) {
    return (
      <Alert severity="error" title={t('config.try.failed', 'No metrics')}>
        {trial.error}
      </Alert>
    );
  }
  const { page, url, targets, dropped, server } = trial;
  if (page.refusal) {
    const { line, column, reason } = page.refusal;
    const place = line === null ? url : `${url}, line ${line}, column ${column}`;
    return (
      <Alert severity="error" title={t('config.try.refused', 'This page cannot be read')}>
        {place}: {reason}
      </Alert>
    );
  }
  return (
    <Stack direction="column" gap={1}>
      <Alert
        severity="success"
        title={t('config.try.found', '{{metrics}} metrics, {{series}} series', {
          metrics: page.metricCount,
          series: page.series,
        })}
      >
        {targets > 1 || dropped > 0
          ? t(
              'config.try.first-of',
              '{{url}} is the first of {{targets}} targets; relabelling drops {{dropped}} more.',
              {
                url,
                targets,
                dropped,
              }
            )
          : url}
      </Alert>
      {server && (
        <Alert severity="warning" title={t('config.try.server', 'This is {{server}}’s page about itself', { server })}>
          <Stack direction="row" alignItems="center" justifyContent="space-between" gap={2} wrap="wrap">
            {t('config.try.server-advice', 'To see what the server has collected, query it instead of scraping it.')}
            {onServerFound && (
              <Button type="button" variant="secondary" size="sm" onClick={onServerFound}>
                {t('config.try.use-server', 'Query the server instead')}
              </Button>
            )}
          </Stack>
        </Alert>
      )}
      <Metrics metrics={page.metrics} count={page.metricCount} />
      <Findings findings={page.findings} count={page.findingCount} />
    </Stack>
  );
}

function Metrics({ metrics, count }: { metrics: FoundMetric[]; count: number }) {
  const styles = useStyles2(getStyles);
  const [all, setAll] = useState(false);
  const shown = all ? metrics : metrics.slice(0, SHOWN);
  return (
    <div>
      <div className={styles.scrolled}>
        <table className={styles.table}>
          <thead>
            <tr>
              <th scope="col">{t('config.try.metric', 'Metric')}</th>
              <th scope="col">{t('config.try.type', 'Type')}</th>
              <th scope="col" className={styles.number}>
                {t('config.try.series', 'Series')}
              </th>
              <th scope="col">{t('config.try.help', 'Meaning')}</th>
            </tr>
          </thead>
          <tbody>
            {shown.map(({ name, type, series, help }) => (
              <tr key={name}>
                <td className={styles.name}>{name}</td>
                <td>{type ?? 'unknown'}</td>
                <td className={styles.number}>{series}</td>
                <td>{help}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown.length < count && (
        <More
          all={all}
          text={t('config.try.more-metrics', '{{count}} more metrics', { count: count - shown.length })}
          onClick={() => setAll(true)}
        />
      )}
    </div>
  );
}

function Findings({ findings, count }: { findings: Finding[]; count: number }) {
  const styles = useStyles2(getStyles);
  const [all, setAll] = useState(false);
  if (count === 0) {
    return null;
  }
  const shown = all ? findings : findings.slice(0, SHOWN);
  return (
    <div>
      <Text element="h6">{t('config.try.findings', 'Worth a look in the app')}</Text>
      <ul className={styles.findings}>
        {shown.map(({ rule, severity, line, metric, text, times }) => (
          <li key={`${rule} ${metric}`}>
            <Text color={severity === 'advice' ? 'secondary' : 'warning'} variant="bodySmall">
              {metric}: {text} ({t('config.try.line', 'line {{line}}', { line })}
              {times > 1 && t('config.try.times', ', {{times}} times', { times })})
            </Text>
          </li>
        ))}
      </ul>
      {shown.length < count && (
        <More
          all={all}
          text={t('config.try.more-findings', '{{count}} more', { count: count - shown.length })}
          onClick={() => setAll(true)}
        />
      )}
    </div>
  );
}

function More({ all, text, onClick }: { all: boolean; text: string; onClick: () => void }) {
  // What the backend left out can only be counted.
  return all ? (
    <Text color="secondary" variant="bodySmall">
      {text}
    </Text>
  ) : (
    <Button type="button" fill="text" size="sm" icon="angle-down" onClick={onClick}>
      {text}
    </Button>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  scrolled: css({ maxHeight: 400, overflow: 'auto', maxWidth: 900 }),
  table: css({
    width: '100%',
    fontSize: theme.typography.bodySmall.fontSize,
    'th, td': {
      padding: theme.spacing(0.5, 1),
      textAlign: 'left',
      verticalAlign: 'top',
      borderBottom: `1px solid ${theme.colors.border.weak}`,
    },
    th: { color: theme.colors.text.secondary, fontWeight: theme.typography.fontWeightMedium },
  }),
  name: css({ fontFamily: theme.typography.fontFamilyMonospace, overflowWrap: 'anywhere' }),
  number: css({ '&&': { textAlign: 'right' } }),
  findings: css({ margin: theme.spacing(0.5, 0, 0, 2) }),
});
