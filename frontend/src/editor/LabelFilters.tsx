/** The conditions on labels of one selector, with names and values of the series that the others leave. */
import { Button, Combobox, Stack, Text } from '@grafana/ui';

import { holding, type LabelFilter, MATCH_OPERATORS, renderSelector } from '../promql/model';
import { labelNames, labelValues, type LookupRange, type ResourceCaller } from '../resources';
import { t } from '../translate';
import { choices, isChoice } from './choices';
import { Named } from './Named';

export interface Props {
  caller: ResourceCaller;
  metric: string;
  filters: LabelFilter[];
  range?: LookupRange;
  onChange: (filters: LabelFilter[]) => void;
}

/** Names or values that one look-up asks for; of values, letters narrow down what is looked up. */
const CHOICES = 1000;

const OPERATORS = MATCH_OPERATORS.map((value) => ({ value, label: value }));

export function LabelFilters({ caller, metric, filters, range, onChange }: Props) {
  const change = (at: number, change: Partial<LabelFilter>) =>
    onChange(filters.map((filter, index) => (index === at ? { ...filter, ...change } : filter)));

  /** The series that the metric and the other conditions leave, and of which one more may hold. */
  const othersThan = (at: number, more: LabelFilter[] = []): string | undefined => {
    const others = filters.filter(({ label, value }, index) => index !== at && label && !value.includes('$'));
    const selector = renderSelector({
      kind: 'series',
      metric: metric.includes('$') ? '' : metric,
      labels: [...others, ...more],
    });
    return selector || undefined;
  };
  const labelChoices = (at: number, typed: string) =>
    choices(labelNames(caller, othersThan(at), range, CHOICES), typed, (number) =>
      t('filters.more-labels', 'The first {{number}} labels: type the name of another', {
        number: number.toLocaleString(),
      })
    );
  const valueChoices = (label: string, at: number, typed: string) =>
    choices(
      labelValues(caller, label, othersThan(at, typed ? [holding(label, typed)] : []), range, CHOICES),
      typed,
      (number) =>
        t('filters.more-values', 'The first {{number}} values: type for others', { number: number.toLocaleString() })
    );

  return (
    <Stack direction="row" gap={1} wrap="wrap" alignItems="center">
      {filters.map(({ label, operator, value }, at) => (
        <Stack key={at} direction="row" gap={0}>
          <Named name={t('filters.label', 'Label {{number}}', { number: at + 1 })}>
            {(field) => (
              <Combobox
                {...field}
                width="auto"
                minWidth={12}
                placeholder={t('filters.label-placeholder', 'label')}
                createCustomValue
                value={label ? { value: label, label } : null}
                options={(typed) => labelChoices(at, typed)}
                onChange={(chosen) => isChoice(chosen) && change(at, { label: chosen.value })}
              />
            )}
          </Named>
          <Named name={t('filters.operator', 'Operator {{number}}', { number: at + 1 })}>
            {(field) => (
              <Combobox
                {...field}
                width={8}
                options={OPERATORS}
                value={operator}
                onChange={({ value: chosen }) => change(at, { operator: chosen })}
              />
            )}
          </Named>
          <Named name={t('filters.value', 'Value {{number}}', { number: at + 1 })}>
            {(field) => (
              <Combobox
                {...field}
                width="auto"
                minWidth={14}
                placeholder={t('filters.value-placeholder', 'value')}
                createCustomValue
                value={value ? { value, label: value } : null}
                options={(typed) => valueChoices(label, at, typed)}
                onChange={(chosen) => isChoice(chosen) && change(at, { value: chosen.value })}
              />
            )}
          </Named>
          <Button
            aria-label={t('filters.remove', 'Remove the filter on {{label}}', {
              label: label || t('filters.no-label', 'no label'),
            })}
            variant="secondary"
            icon="times"
            onClick={() => onChange(filters.filter((_, index) => index !== at))}
          />
        </Stack>
      ))}
      <Button
        variant="secondary"
        icon="plus"
        aria-label={t('filters.add', 'Add a label filter')}
        onClick={() => onChange([...filters, { label: '', operator: '=', value: '' }])}
      />
      {filters.length === 0 && <Text color="secondary">{t('filters.none', 'All series of the metric')}</Text>}
    </Stack>
  );
}
