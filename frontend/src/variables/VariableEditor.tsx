/** The editor of a variable's query. */
import { css } from '@emotion/css';
import type { GrafanaTheme2, QueryEditorProps } from '@grafana/data';
import { Alert, Combobox, type ComboboxOption, Field, Input, TextArea, useStyles2 } from '@grafana/ui';
import { useEffect, useId, useState } from 'react';

import type { HeadwaterDataSource } from '../datasource';
import { choices, isChoice } from '../editor/choices';
import { t } from '../translate';
import type { DataSourceOptions, PanelQuery } from '../types';
import type { CutChoices, HeadwaterVariables, VariableDataQuery } from './HeadwaterVariables';
import { modelOf, partsOf, textOf, type VariableKind, type VariableParts, writeParts } from './query_text';

export type Props = QueryEditorProps<HeadwaterDataSource, PanelQuery, DataSourceOptions, VariableDataQuery>;

const WIDTH = 50;

export default function VariableEditor({ datasource, query: saved, onChange, range }: Props) {
  const ids = useId();
  const styles = useStyles2(getStyles);
  const [parts, setParts] = useState(() => partsOf(saved));
  // Saved from outside, by undo for example.
  const [lastSaved, setLastSaved] = useState(() => textOf(saved));
  if (textOf(saved) !== lastSaved) {
    setLastSaved(textOf(saved));
    if (textOf(saved) !== writeParts(parts)) {
      setParts(partsOf(saved));
    }
  }
  const commit = (change: Partial<VariableParts>) => {
    const changed = { ...parts, ...change };
    setParts(changed);
    const model = modelOf(changed);
    if (model.query !== textOf(saved) || model.qryType !== (saved as VariableDataQuery | undefined)?.qryType) {
      onChange({ ...(typeof saved === 'object' ? saved : {}), ...model });
    }
  };
  const type = (change: Partial<VariableParts>) => setParts({ ...parts, ...change });

  const kinds: Array<ComboboxOption<VariableKind>> = [
    {
      value: 'label_names',
      label: t('variable.label-names', 'Label names'),
      description: t('variable.label-names-description', 'The labels that series have'),
    },
    {
      value: 'label_values',
      label: t('variable.label-values', 'Label values'),
      description: t('variable.label-values-description', 'The values of one label'),
    },
    {
      value: 'metrics',
      label: t('variable.metrics', 'Metrics'),
      description: t('variable.metrics-description', 'The metrics whose names match'),
    },
    {
      value: 'query_result',
      label: t('variable.query-result', 'Query result'),
      description: t('variable.query-result-description', 'One choice for each series of an answer'),
    },
    {
      value: 'series',
      label: t('variable.series', 'Series'),
      description: t('variable.series-description', 'The series that fulfil a selector'),
    },
    {
      value: 'classic',
      label: t('variable.classic', 'Classic query'),
      description: t('variable.classic-description', 'Any of these, as text'),
    },
  ];
  const labels = (typed: string) =>
    choices(datasource.labelNames({ selector: parts.selector, range }), typed, (number) =>
      t('variable.more-labels', 'The first {{number}} labels: type the name of another', {
        number: number.toLocaleString(),
      })
    );
  const cut = useCut(datasource.variables);

  return (
    <div className={styles.editor} data-testid="headwater-variable-editor">
      <Field
        label={t('variable.kind', 'Query type')}
        description={t('variable.kind-description', 'What the choices of this variable are.')}
        htmlFor={`${ids}-kind`}
      >
        <Combobox
          id={`${ids}-kind`}
          width={WIDTH}
          options={kinds}
          value={parts.kind}
          onChange={({ value }) =>
            commit(value === 'classic' ? { kind: value, text: writeParts(parts) } : { ...ofKind(parts, value) })
          }
        />
      </Field>
      {parts.kind === 'label_values' && (
        <Field
          label={t('variable.label', 'Label')}
          description={t('variable.label-description', 'The label whose values are the choices.')}
          htmlFor={`${ids}-label`}
          required
        >
          <Combobox
            id={`${ids}-label`}
            width={WIDTH}
            options={labels}
            createCustomValue
            placeholder={t('variable.label-placeholder', 'Choose a label')}
            value={parts.label ? { value: parts.label, label: parts.label } : null}
            onChange={(chosen) => isChoice(chosen) && commit({ label: chosen.value })}
          />
        </Field>
      )}
      {(parts.kind === 'label_values' || parts.kind === 'series') && (
        <Field
          label={
            parts.kind === 'series' ? t('variable.selector', 'Series selector') : t('variable.of', 'Of the series')
          }
          description={
            parts.kind === 'series'
              ? t('variable.selector-description', 'A metric, or labels, or both.')
              : t(
                  'variable.of-description',
                  'Only values that these series have: a metric, labels, or both. All series when empty.'
                )
          }
          htmlFor={`${ids}-selector`}
          required={parts.kind === 'series'}
        >
          <Input
            id={`${ids}-selector`}
            width={WIDTH}
            value={parts.selector}
            placeholder={'http_requests_total{job="$job"}'}
            onChange={(event) => type({ selector: event.currentTarget.value })}
            onBlur={() => commit({ selector: parts.selector.trim() })}
          />
        </Field>
      )}
      {(parts.kind === 'metrics' || parts.kind === 'label_names') && (
        <Field
          label={
            parts.kind === 'metrics' ? t('variable.pattern', 'Metric regex') : t('variable.names-of', 'Of the metrics')
          }
          description={
            parts.kind === 'metrics'
              ? t('variable.pattern-description', 'A regular expression that the whole name matches.')
              : t('variable.names-of-description', 'A regular expression of metric names. All labels when empty.')
          }
          htmlFor={`${ids}-pattern`}
          required={parts.kind === 'metrics'}
        >
          <Input
            id={`${ids}-pattern`}
            width={WIDTH}
            value={parts.text}
            placeholder="http_.*"
            onChange={(event) => type({ text: event.currentTarget.value })}
            onBlur={() => commit({ text: parts.text.trim() })}
          />
        </Field>
      )}
      {(parts.kind === 'query_result' || parts.kind === 'classic') && (
        <Field
          label={parts.kind === 'classic' ? t('variable.classic', 'Classic query') : t('variable.expr', 'PromQL')}
          description={
            parts.kind === 'classic'
              ? t(
                  'variable.classic-help',
                  'label_values(metric, label), label_names(regex), metrics(regex), query_result(expression), or a series selector.'
                )
              : t(
                  'variable.expr-description',
                  'Evaluated at the end of the time range. Take a part of each choice with the regex below.'
                )
          }
          htmlFor={`${ids}-text`}
          required
        >
          <TextArea
            id={`${ids}-text`}
            cols={WIDTH}
            rows={3}
            spellCheck={false}
            value={parts.text}
            placeholder={
              parts.kind === 'classic'
                ? 'label_values(up, job)'
                : 'topk(5, sum by (job) (rate(http_requests_total[$__range])))'
            }
            onChange={(event) => type({ text: event.currentTarget.value })}
            onBlur={() => commit({ text: parts.text.trim() })}
          />
        </Field>
      )}
      {cut && cut.query === textOf(saved) && (
        <Alert
          severity="info"
          title={t('variable.cut', 'The list of choices ends after {{number}}, and there are more.', {
            number: cut.listed.toLocaleString(),
          })}
        >
          {t('variable.cut-advice', 'A selector, or a pattern of names, leaves fewer.')}
        </Alert>
      )}
    </div>
  );
}

/** What is known of the newest list of choices that was cut. */
function useCut({ cut }: HeadwaterVariables): CutChoices | undefined {
  const [known, setKnown] = useState(cut.value);
  useEffect(() => {
    const told = cut.subscribe(setKnown);
    return () => told.unsubscribe();
  }, [cut]);
  return known;
}

/** The parts as another kind takes them; what it has no use for is left out. */
function ofKind(parts: VariableParts, kind: VariableKind): VariableParts {
  const takesSelector = kind === 'label_values' || kind === 'series';
  return {
    kind,
    label: kind === 'label_values' ? parts.label : '',
    selector: takesSelector ? parts.selector : '',
    // Texts of different kinds have nothing in common.
    text: '',
  };
}

const getStyles = (theme: GrafanaTheme2) => ({
  // Grafana 12.4 leaves no space below the data source; where it does, the two are one.
  editor: css({ marginTop: theme.spacing(2) }),
});
