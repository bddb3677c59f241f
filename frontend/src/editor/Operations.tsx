/** What is done with the series, one step after the other. */
import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import {
  Button,
  Checkbox,
  Combobox,
  Dropdown,
  IconButton,
  InlineField,
  Menu,
  MultiCombobox,
  Stack,
  Text,
  useStyles2,
} from '@grafana/ui';
import { type ReactNode, useId } from 'react';

import {
  AGGREGATIONS,
  aggregationNamed,
  BINARY_OPERATORS,
  COMPARISONS,
  FUNCTIONS,
  type FunctionGroup,
  functionNamed,
  SET_OPERATORS,
} from '../promql/functions';
import {
  type BinaryOperation,
  type BuilderQuery,
  emptyQuery,
  type Operation,
  type VectorMatching,
} from '../promql/model';
import { labelNames, type ResourceCaller } from '../resources';
import { t } from '../translate';
import { DraftInput } from './DraftInput';
import { Named } from './Named';

export interface Props {
  caller: ResourceCaller;
  query: BuilderQuery;
  onChange: (operations: Operation[]) => void;
  /** Draws the builder of a query within this one. */
  nested: (query: BuilderQuery, onChange: (query: BuilderQuery) => void) => ReactNode;
}

export const RATE_INTERVAL = '$__rate_interval';

const WINDOWS = [RATE_INTERVAL, '$__interval', '$__range', '1m', '5m', '10m', '1h', '1d'].map((value) => ({
  value,
  label: value,
}));

/** A new step, as it is added to the query. */
export function newOperation(name: string, isFirst: boolean): Operation {
  const described = functionNamed(name);
  if (described) {
    return {
      kind: 'call',
      name,
      ...(described.input === 'range' ? { window: RATE_INTERVAL, ...(isFirst ? {} : { resolution: '' }) } : {}),
      parameters: [...described.before, ...described.after]
        .filter(({ optional }) => !optional)
        .map(({ initial }) => initial),
    };
  }
  const aggregation = aggregationNamed(name);
  return {
    kind: 'aggregation',
    name,
    ...(aggregation?.parameter ? { parameter: aggregation.parameter.initial } : {}),
    grouping: { without: false, labels: [] },
  };
}

/**
 * Steps after one was moved, added or taken away: a window is that of a metric in the first place,
 * and of a subquery behind it.
 */
export function inPlace(operations: Operation[], onSeries: boolean): Operation[] {
  return operations.map((operation, at) => {
    if (operation.kind !== 'call' || operation.window === undefined) {
      return operation;
    }
    const { resolution, ...plain } = operation;
    return at === 0 && onSeries ? plain : { ...plain, resolution: resolution ?? '' };
  });
}

export function Operations({ caller, query, onChange, nested }: Props) {
  const styles = useStyles2(getStyles);
  const { source, operations } = query;
  const onSeries = source.kind === 'series';
  const keep = (changed: Operation[]) => onChange(inPlace(changed, onSeries));
  const add = (operation: Operation) => keep([...operations, operation]);
  const replace = (at: number, operation: Operation) =>
    onChange(operations.map((old, index) => (index === at ? operation : old)));
  const swap = (at: number, other: number) => {
    const moved = [...operations];
    [moved[at], moved[other]] = [moved[other] as Operation, moved[at] as Operation];
    keep(moved);
  };

  const groups: Array<{ group: FunctionGroup; label: string }> = [
    { group: 'range', label: t('operations.over-time', 'Over time') },
    { group: 'function', label: t('operations.functions', 'Functions') },
    { group: 'time', label: t('operations.time', 'Time') },
    { group: 'trigonometry', label: t('operations.trigonometry', 'Trigonometry') },
  ];
  const isFirst = operations.length === 0 && onSeries;
  const menu = (
    <Menu>
      <Menu.Item
        label={t('operations.aggregations', 'Aggregations')}
        childItems={AGGREGATIONS.map(({ name, says }) => (
          <Menu.Item key={name} label={name} description={says()} onClick={() => add(newOperation(name, isFirst))} />
        ))}
      />
      {groups.map(({ group, label }) => (
        <Menu.Item
          key={group}
          label={label}
          childItems={FUNCTIONS.filter((entry) => entry.group === group).map(({ name, says }) => (
            <Menu.Item key={name} label={name} description={says()} onClick={() => add(newOperation(name, isFirst))} />
          ))}
        />
      ))}
      <Menu.Item
        label={t('operations.with-number', 'Calculate with a number')}
        onClick={() => add({ kind: 'binary', operator: '*', bool: false, operand: '100' })}
      />
      <Menu.Item
        label={t('operations.with-query', 'Calculate with another query')}
        onClick={() => add({ kind: 'binary', operator: '/', bool: false, operand: emptyQuery() })}
      />
    </Menu>
  );

  return (
    <Stack direction="column" gap={1}>
      <Stack direction="row" gap={1} wrap="wrap" alignItems="stretch">
        {operations.map((operation, at) => (
          <section
            key={at}
            className={styles.step}
            aria-label={t('operations.step', 'Step {{number}}: {{title}}', {
              number: at + 1,
              title: titleOf(operation),
            })}
          >
            <Stack direction="row" justifyContent="space-between" alignItems="center" gap={1}>
              <Text weight="medium">{titleOf(operation)}</Text>
              <Stack direction="row" gap={0}>
                <IconButton
                  name="arrow-left"
                  tooltip={t('operations.earlier', 'Do this earlier')}
                  disabled={at === 0}
                  onClick={() => swap(at, at - 1)}
                />
                <IconButton
                  name="arrow-right"
                  tooltip={t('operations.later', 'Do this later')}
                  disabled={at === operations.length - 1}
                  onClick={() => swap(at, at + 1)}
                />
                <IconButton
                  name="times"
                  tooltip={t('operations.remove', 'Remove this step')}
                  onClick={() => keep(operations.filter((_, index) => index !== at))}
                />
              </Stack>
            </Stack>
            <Step
              caller={caller}
              metric={onSeries ? source.metric : ''}
              operation={operation}
              nested={nested}
              onChange={(changed) => replace(at, changed)}
            />
          </section>
        ))}
        <Dropdown overlay={menu} placement="bottom-start">
          <Button variant="secondary" icon="plus">
            {t('operations.add', 'Operation')}
          </Button>
        </Dropdown>
      </Stack>
    </Stack>
  );
}

function titleOf(operation: Operation): string {
  if (operation.kind !== 'binary') {
    return operation.name;
  }
  return typeof operation.operand === 'string'
    ? t('operations.number', 'number')
    : t('operations.another-query', 'another query');
}

interface StepProps {
  caller: ResourceCaller;
  metric: string;
  operation: Operation;
  nested: Props['nested'];
  onChange: (operation: Operation) => void;
}

function Step({ caller, metric, operation, nested, onChange }: StepProps) {
  const ids = useId();
  switch (operation.kind) {
    case 'call': {
      const described = functionNamed(operation.name);
      const kinds = [...(described?.before ?? []), ...(described?.after ?? [])];
      return (
        <>
          {operation.window !== undefined && (
            <InlineField label={t('operations.window', 'Window')} labelWidth={12}>
              <Named name={t('operations.window-of', 'Window of {{name}}', { name: operation.name })}>
                {(field) => (
                  <Combobox
                    {...field}
                    width={24}
                    createCustomValue
                    options={WINDOWS}
                    value={{ value: operation.window ?? '', label: operation.window }}
                    onChange={({ value: window }) => onChange({ ...operation, window })}
                  />
                )}
              </Named>
            </InlineField>
          )}
          {operation.resolution !== undefined && (
            <InlineField
              label={t('operations.resolution', 'Evaluated every')}
              labelWidth={16}
              htmlFor={`${ids}-resolution`}
            >
              <DraftInput
                id={`${ids}-resolution`}
                width={12}
                placeholder={t('operations.default', 'default')}
                value={operation.resolution}
                onCommit={(resolution) => onChange({ ...operation, resolution: resolution.trim() })}
              />
            </InlineField>
          )}
          {operation.parameters.map((parameter, at) => (
            <InlineField
              key={at}
              label={kinds[Math.min(at, kinds.length - 1)]?.name() ?? t('operations.value', 'Value')}
              labelWidth={14}
              htmlFor={`${ids}-${at}`}
            >
              <DraftInput
                id={`${ids}-${at}`}
                width={16}
                value={parameter}
                onCommit={(text) =>
                  onChange({
                    ...operation,
                    parameters: operation.parameters.map((old, index) => (index === at ? text : old)),
                  })
                }
              />
            </InlineField>
          ))}
        </>
      );
    }
    case 'aggregation': {
      const described = aggregationNamed(operation.name);
      const { without = false, labels = [] } = operation.grouping ?? {};
      return (
        <>
          {operation.parameter !== undefined && (
            <InlineField
              label={described?.parameter?.name() ?? t('operations.value', 'Value')}
              labelWidth={14}
              htmlFor={`${ids}-parameter`}
            >
              <DraftInput
                id={`${ids}-parameter`}
                width={16}
                value={operation.parameter}
                onCommit={(parameter) => onChange({ ...operation, parameter })}
              />
            </InlineField>
          )}
          <Stack direction="row" gap={0}>
            <Named name={t('operations.grouping-of', 'Grouping of {{name}}', { name: operation.name })}>
              {(field) => (
                <Combobox
                  {...field}
                  width={14}
                  options={[
                    { value: 'by', label: 'by' },
                    { value: 'without', label: 'without' },
                  ]}
                  value={without ? 'without' : 'by'}
                  onChange={({ value }) =>
                    onChange({ ...operation, grouping: { without: value === 'without', labels } })
                  }
                />
              )}
            </Named>
            <Named name={t('operations.labels-of', 'Labels of {{name}}', { name: operation.name })}>
              {(field) => (
                <MultiCombobox
                  {...field}
                  width="auto"
                  minWidth={20}
                  createCustomValue
                  placeholder={
                    without
                      ? t('operations.labels-to-drop', 'labels to drop')
                      : t('operations.all-together', 'all series together')
                  }
                  options={async (typed) => {
                    const selector = metric && !metric.includes('$') ? metric : undefined;
                    const { entries } = await labelNames(caller, selector).catch(() => ({ entries: [] }));
                    return [...new Set([...labels, ...entries])]
                      .filter((name) => name.includes(typed))
                      .map((value) => ({ value, label: value }));
                  }}
                  value={labels.map((value) => ({ value, label: value }))}
                  onChange={(chosen) =>
                    onChange({ ...operation, grouping: { without, labels: chosen.map(({ value }) => value) } })
                  }
                />
              )}
            </Named>
          </Stack>
        </>
      );
    }
    case 'binary':
      return <BinaryStep operation={operation} nested={nested} onChange={onChange} />;
  }
}

interface BinaryStepProps {
  operation: BinaryOperation;
  nested: Props['nested'];
  onChange: (operation: Operation) => void;
}

function BinaryStep({ operation, nested, onChange }: BinaryStepProps) {
  const { operator, operand, matching, reversed, bool } = operation;
  return (
    <Stack direction="column" gap={0.5}>
      <Stack direction="row" gap={0.5} alignItems="center">
        {reversed && typeof operand === 'string' && <Text>{operand}</Text>}
        <Named name={t('operations.operator', 'Operator')}>
          {(field) => (
            <Combobox
              {...field}
              width={12}
              options={BINARY_OPERATORS.map((value) => ({ value, label: value }))}
              value={operator}
              onChange={({ value }) =>
                onChange({
                  ...operation,
                  operator: value,
                  bool: bool && COMPARISONS.has(value),
                  // Set operators compare sets of labels, so there is nothing to take over.
                  matching: matching && SET_OPERATORS.has(value) ? { ...matching, group: undefined } : matching,
                })
              }
            />
          )}
        </Named>
        {typeof operand === 'string' && (
          <DraftInput
            aria-label={t('operations.number-label', 'Number')}
            width={14}
            value={operand}
            onCommit={(text) => onChange({ ...operation, operand: text.trim() })}
          />
        )}
        {COMPARISONS.has(operator) && (
          <Checkbox
            label={t('operations.bool', 'as 0 or 1')}
            value={bool}
            onChange={(event) => onChange({ ...operation, bool: event.currentTarget.checked })}
          />
        )}
      </Stack>
      {typeof operand !== 'string' && (
        <>
          <MatchingFields operation={operation} onChange={onChange} />
          {nested(operand, (changed) => onChange({ ...operation, operand: changed }))}
        </>
      )}
    </Stack>
  );
}

type MatchMode = 'all' | 'on' | 'ignoring';
type Meeting = 'one' | 'left' | 'right';

/** Which series of the two sides belong together. */
function MatchingFields({ operation, onChange }: Pick<BinaryStepProps, 'onChange'> & { operation: BinaryOperation }) {
  const ids = useId();
  const { matching, operator } = operation;
  const mode: MatchMode = matching ? (matching.on ? 'on' : 'ignoring') : 'all';
  const group = matching?.group;
  const keep = (changed: VectorMatching | undefined) => onChange({ ...operation, matching: changed });
  const labels = matching?.labels ?? [];

  const modes: Array<{ value: MatchMode; label: string; description: string }> = [
    {
      value: 'all',
      label: t('matching.all', 'all labels'),
      description: t('matching.all-description', 'Series meet that have the same labels'),
    },
    { value: 'on', label: 'on', description: t('matching.on-description', 'Series meet that agree in these labels') },
    {
      value: 'ignoring',
      label: 'ignoring',
      description: t('matching.ignoring-description', 'Series meet that agree in all other labels'),
    },
  ];
  const meetings: Array<{ value: Meeting; label: string; description: string }> = [
    {
      value: 'one',
      label: t('matching.one', 'one to one'),
      description: t('matching.one-description', 'One series of each side'),
    },
    {
      value: 'left',
      label: t('matching.many-to-one', 'many to one'),
      description: t(
        'matching.many-to-one-description',
        'group_left: several series of this side meet one of the other'
      ),
    },
    {
      value: 'right',
      label: t('matching.one-to-many', 'one to many'),
      description: t(
        'matching.one-to-many-description',
        'group_right: one series of this side meets several of the other'
      ),
    },
  ];
  return (
    <Stack direction="row" gap={0.5} wrap="wrap">
      <InlineField label={t('matching.label', 'Match')} labelWidth={12}>
        <Named name={t('matching.label', 'Match')}>
          {(field) => (
            <Combobox
              {...field}
              width={16}
              options={modes}
              value={mode}
              onChange={({ value }) =>
                // A group stands behind on or ignoring; ignoring nothing is all labels.
                keep(
                  value === 'all'
                    ? group && { on: false, labels: [], group }
                    : { ...matching, on: value === 'on', labels }
                )
              }
            />
          )}
        </Named>
      </InlineField>
      {matching && (
        <DraftInput
          aria-label={t('matching.labels', 'Labels to match')}
          width={24}
          placeholder={t('matching.labels-placeholder', 'labels, with commas between')}
          value={labels.join(', ')}
          onCommit={(text) => keep({ ...matching, labels: labelList(text) })}
        />
      )}
      {!SET_OPERATORS.has(operator) && (
        <InlineField label={t('matching.series', 'Series')} labelWidth={10}>
          <Named name={t('matching.meeting', 'Series that meet')}>
            {(field) => (
              <Combobox
                {...field}
                width={18}
                options={meetings}
                value={group?.side ?? 'one'}
                onChange={({ value }) => {
                  const sides = matching ?? { on: false, labels: [] };
                  keep({ ...sides, group: value === 'one' ? undefined : { side: value, labels: group?.labels ?? [] } });
                }}
              />
            )}
          </Named>
        </InlineField>
      )}
      {matching && group && (
        <InlineField
          label={t('matching.take-over', 'Take over')}
          tooltip={t(
            'matching.take-over-description',
            'Labels that the result has from the side with one series, with commas between'
          )}
          htmlFor={`${ids}-group`}
          labelWidth={14}
        >
          <DraftInput
            id={`${ids}-group`}
            width={24}
            placeholder={t('matching.no-labels', 'no labels')}
            value={group.labels.join(', ')}
            onCommit={(text) => keep({ ...matching, group: { ...group, labels: labelList(text) } })}
          />
        </InlineField>
      )}
    </Stack>
  );
}

function labelList(text: string): string[] {
  return text
    .split(',')
    .map((label) => label.trim())
    .filter(Boolean);
}

const getStyles = (theme: GrafanaTheme2) => ({
  step: css({
    display: 'flex',
    flexDirection: 'column',
    gap: theme.spacing(0.5),
    padding: theme.spacing(1),
    background: theme.colors.background.primary,
    border: `1px solid ${theme.colors.border.medium}`,
    borderRadius: theme.shape.radius.default,
  }),
});
