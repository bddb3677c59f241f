/**
 * Looks around among metrics, labels and values, and makes a selector of what is chosen.
 *
 * However many there are, each key asks the backend for one page of what fits.
 */
import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { Badge, Button, Stack, Text, useStyles2 } from '@grafana/ui';
import { useEffect, useState } from 'react';

import {
  seriesCount,
  labelNames,
  labelValues,
  lookupProblem,
  type LookupRange,
  type MetricFacts,
  type ResourceCaller,
  searchMetrics,
} from '../resources';
import { t } from '../translate';
import { ChoiceList } from './ChoiceList';
import { type Selection, selectorOf, valueSelector, withLabel, withValue } from './selection';

export interface Props {
  caller: ResourceCaller;
  range?: LookupRange;
  initial: Selection;
  /** Takes a query over and runs it. */
  onUse: (expr: string) => void;
}

/** Rows that one list shows; more letters narrow it down. */
const METRICS = 100;
const LABELS = 1000;
const VALUES = 200;
/** How long a pause in typing is. */
const PAUSE_MS = 150;

export default function MetricsBrowser({ caller, range, initial, onUse }: Props) {
  const styles = useStyles2(getStyles);
  const [selection, setSelection] = useState(initial);
  const [facts, setFacts] = useState<MetricFacts>();
  const selector = selectorOf(selection);
  const shownLabels = selection.labels.map(({ label }) => label);

  const chooseMetric = (chosen: MetricFacts) => {
    const isSame = chosen.name === selection.metric;
    setFacts(isSame ? undefined : chosen);
    setSelection({ ...selection, metric: isSame ? '' : chosen.name });
  };

  return (
    <section aria-label={t('browser.title', 'Metrics browser')} className={styles.browser}>
      <div className={styles.columns}>
        <Metrics caller={caller} chosen={selection.metric} onChoose={chooseMetric} />
        <Labels
          caller={caller}
          metric={selection.metric}
          range={range}
          chosen={shownLabels}
          onToggle={(label) => setSelection(withLabel(selection, label))}
        />
        {selection.labels.map(({ label, values }) => (
          <Values
            key={label}
            caller={caller}
            selection={selection}
            label={label}
            range={range}
            chosen={values}
            onToggle={(value) => setSelection(withValue(selection, label, value))}
          />
        ))}
      </div>
      <Stack direction="row" gap={1} wrap="wrap" alignItems="center">
        <code className={styles.selector} aria-label={t('browser.selector', 'Selector')} role="status">
          {selector || t('browser.nothing-chosen', 'Choose a metric, or labels and values.')}
        </code>
        <Button size="sm" disabled={!selector} onClick={() => onUse(selector)}>
          {t('browser.use', 'Use query')}
        </Button>
        <Button
          size="sm"
          variant="secondary"
          disabled={!selector}
          onClick={() => onUse(`rate(${selector}[$__rate_interval])`)}
        >
          {t('browser.use-rate', 'Use as rate query')}
        </Button>
        <SeriesCount caller={caller} selector={selector} />
        <Button
          size="sm"
          variant="secondary"
          fill="text"
          onClick={() => {
            setFacts(undefined);
            setSelection({ metric: '', labels: [] });
          }}
        >
          {t('browser.clear', 'Clear')}
        </Button>
      </Stack>
      {facts?.type === 'counter' && (
        <Text variant="bodySmall" color="secondary">
          {t('browser.counter', '{{name}} is a counter: as a rate query it says how fast it grows.', {
            name: facts.name,
          })}
        </Text>
      )}
    </section>
  );
}

interface MetricsProps {
  caller: ResourceCaller;
  chosen: string;
  onChoose: (facts: MetricFacts) => void;
}

function Metrics({ caller, chosen, onChoose }: MetricsProps) {
  const [text, setText] = useState('');
  const { answer, problem } = useLookUp(`metrics ${text}`, text !== '', () => searchMetrics(caller, text, METRICS));
  const metrics = answer?.metrics ?? [];
  const names = (answer?.names ?? 0).toLocaleString();
  return (
    <ChoiceList
      title={t('browser.metric', '1. Metric')}
      name={t('browser.search-metrics', 'Search metrics')}
      placeholder={t('browser.search-metrics-placeholder', 'Name or description')}
      width={380}
      text={text}
      chosen={[chosen]}
      choices={metrics.map(({ name, type, description }) => ({
        value: name,
        says: description,
        badge: type === 'unknown' ? undefined : <Badge color="blue" text={type} />,
      }))}
      foot={
        problem ??
        (answer
          ? t('browser.metrics-found', '{{found}} of {{names}} metrics, the best {{shown}} shown', {
              found: answer.found.toLocaleString(),
              names: answer.truncated ? t('metric.or-more', '{{number}} or more', { number: names }) : names,
              shown: metrics.length,
            })
          : t('browser.searching', 'Searching…'))
      }
      onText={setText}
      onToggle={(name) => {
        const facts = metrics.find((metric) => metric.name === name);
        if (facts) {
          onChoose(facts);
        }
      }}
    />
  );
}

interface LabelsProps {
  caller: ResourceCaller;
  metric: string;
  range?: LookupRange;
  chosen: string[];
  onToggle: (label: string) => void;
}

function Labels({ caller, metric, range, chosen, onToggle }: LabelsProps) {
  const [text, setText] = useState('');
  const selector = selectorOf({ metric, labels: [] });
  // A metric has few labels, so letters narrow them down here.
  const { answer, problem } = useLookUp(`labels ${selector}`, false, () =>
    labelNames(caller, selector || undefined, range, LABELS)
  );
  const letters = text.toLowerCase();
  const names = withChosen(chosen, answer?.entries ?? []).filter((name) => name.toLowerCase().includes(letters));
  return (
    <ChoiceList
      title={t('browser.labels', '2. Labels')}
      name={t('browser.search-labels', 'Search labels')}
      placeholder={t('browser.search-labels-placeholder', 'Label')}
      width={220}
      several
      text={text}
      chosen={chosen}
      choices={names.map((value) => ({ value }))}
      foot={
        problem ??
        (answer
          ? answer.truncated
            ? metric
              ? t('browser.labels-more', 'The first {{number}} labels: there are more', {
                  number: answer.entries.length,
                })
              : t('browser.labels-of-all', 'The first {{number}} labels: choose a metric for its own', {
                  number: answer.entries.length,
                })
            : t('browser.labels-found', 'Labels: {{number}}', { number: names.length })
          : t('browser.searching', 'Searching…'))
      }
      onText={setText}
      onToggle={onToggle}
    />
  );
}

interface ValuesProps {
  caller: ResourceCaller;
  selection: Selection;
  label: string;
  range?: LookupRange;
  chosen: string[];
  onToggle: (value: string) => void;
}

function Values({ caller, selection, label, range, chosen, onToggle }: ValuesProps) {
  const [text, setText] = useState('');
  const selector = valueSelector(selection, label, text);
  const { answer, problem } = useLookUp(`values ${label} ${selector}`, text !== '', () =>
    labelValues(caller, label, selector, range, VALUES)
  );
  const values = answer?.entries ?? [];
  return (
    <ChoiceList
      title={t('browser.values', '3. Values of {{label}}', { label })}
      name={t('browser.search-values', 'Search values of {{label}}', { label })}
      placeholder={t('browser.search-values-placeholder', 'Value')}
      width={260}
      several
      text={text}
      chosen={chosen}
      // What is chosen stays in sight, so that it can be taken back.
      choices={withChosen(chosen, values).map((value) => ({ value }))}
      foot={
        problem ??
        (answer
          ? answer.truncated
            ? t('browser.values-more', 'The first {{number}} values: type for others', { number: values.length })
            : t('browser.values-found', 'Values: {{number}}', { number: values.length })
          : t('browser.searching', 'Searching…'))
      }
      onText={setText}
      onToggle={onToggle}
    />
  );
}

function SeriesCount({ caller, selector }: { caller: ResourceCaller; selector: string }) {
  const [counted, setCounted] = useState<{ selector: string; text: string }>();
  const count = () =>
    seriesCount(caller, selector).then(
      (series) =>
        setCounted({
          selector,
          text: t('browser.series', 'Series now: {{number}}', { number: series.toLocaleString() }),
        }),
      (error) => setCounted({ selector, text: lookupProblem(error) })
    );
  return (
    <>
      <Button size="sm" variant="secondary" disabled={!selector} onClick={count}>
        {t('browser.count', 'Count series')}
      </Button>
      <span role="status">{counted?.selector === selector ? counted.text : ''}</span>
    </>
  );
}

/** What was found, behind what is chosen and not among it; nothing moves when it is chosen. */
function withChosen(chosen: string[], found: string[]): string[] {
  const there = new Set(found);
  return [...chosen.filter((value) => !there.has(value)), ...found];
}

/** The newest answer to a question, asked anew when its key changes; the one before stays until then. */
function useLookUp<T>(key: string, isTyped: boolean, ask: () => Promise<T>): { answer?: T; problem?: string } {
  const [state, setState] = useState<{ answer?: T; problem?: string }>({});
  useEffect(() => {
    let wanted = true;
    // Only a pause in typing asks; what is chosen by a click asks at once.
    const timer = setTimeout(
      () =>
        ask().then(
          (answer) => wanted && setState({ answer }),
          (error) => wanted && setState({ problem: lookupProblem(error) })
        ),
      isTyped ? PAUSE_MS : 0
    );
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
    // The key says all that the question depends on.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [key]);
  return state;
}

const getStyles = (theme: GrafanaTheme2) => ({
  browser: css({
    display: 'flex',
    flexDirection: 'column',
    gap: theme.spacing(1),
    padding: theme.spacing(1.5),
    background: theme.colors.background.secondary,
    borderRadius: theme.shape.radius.default,
  }),
  columns: css({ display: 'flex', gap: theme.spacing(2), overflowX: 'auto' }),
  selector: css({ overflowWrap: 'anywhere' }),
});
