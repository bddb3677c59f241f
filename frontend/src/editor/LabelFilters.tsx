/** The conditions on labels of one selector, with names and values of the series that the others leave. */
import { Button, Combobox, Stack, Text } from '@grafana/ui';

import { type LabelFilter, MATCH_OPERATORS, renderSelector } from '../promql/model';
import { labelNames, labelValues, type LookupRange, type ResourceCaller } from '../resources';
import { t } from '../translate';
import { Named } from './Named';

export interface Props {
  caller: ResourceCaller;
  metric: string;
  filters: LabelFilter[];
  range?: LookupRange;
  onChange: (filters: LabelFilter[]) => void;
}

/** Names or values that one look-up asks for; letters narrow them down. */
const CHOICES = 1000;

const OPERATORS = MATCH_OPERATORS.map((value) => ({ value, label: value }));

export function LabelFilters({ caller, metric, filters, range, onChange }: Props) {
  const change = (at: number, change: Partial<LabelFilter>) =>
    onChange(filters.map((filter, index) => (index === at ? { ...filter, ...change } : filter)));

  /** The series that the metric and the other conditions leave. */
  const othersThan = (at: number): string | undefined => {
    const others = filters.filter(({ label, value }, index) => index !== at && label && !value.includes('$'));
    const selector = renderSelector({
      kind: 'series',
      metric: metric.includes('$') ? '' : metric,
      labels: others,
    });
    return selector || undefined;
  };
  const choices = async (found: Promise<string[]>, typed: string) => {
    const names = await found.catch(() => []);
    const letters = typed.toLowerCase();
    return names.filter((name) => name.toLowerCase().includes(letters)).map((value) => ({ value, label: value }));
  };

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
                options={(typed) => choices(labelNames(caller, othersThan(at), range, CHOICES), typed)}
                onChange={({ value: chosen }) => change(at, { label: chosen })}
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
                options={(typed) => choices(labelValues(caller, label, othersThan(at), range, CHOICES), typed)}
                onChange={({ value: chosen }) => change(at, { value: chosen })}
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
