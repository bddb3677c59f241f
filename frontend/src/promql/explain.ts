/** Says in words what each part of a query does. */
import { t } from '../translate';
import { aggregationNamed, type BinaryOperator, COMPARISONS, functionNamed } from './functions';
import {
  type BinaryOperation,
  type BuilderQuery,
  type LabelFilter,
  type Operation,
  renderQuery,
  renderSelector,
} from './model';

export interface Explained {
  /** The part as PromQL writes it. */
  part: string;
  words: string;
  /** The steps of a query within this part. */
  inner?: Explained[];
}

export function explain(query: BuilderQuery): Explained[] {
  const { source, operations } = query;
  const first: Explained =
    source.kind === 'value'
      ? { part: source.text, words: valueWords(source.text) }
      : { part: renderSelector(source, true), words: sourceWords(query) };
  return [first, ...operations.map(explainOperation)];
}

function valueWords(text: string): string {
  return text === 'time()'
    ? t('explain.time', 'The time of each point, in seconds since 1970.')
    : t('explain.value', 'A value that is the same for all series.');
}

function sourceWords({ source }: BuilderQuery): string {
  if (source.kind !== 'series') {
    return '';
  }
  const { metric, labels, offset, at } = source;
  const what = metric
    ? t('explain.series-of', 'All series of {{metric}}', { metric })
    : t('explain.series-of-any', 'All series of any metric');
  const conditions = labels.map(filterWords).join(t('explain.and', ' and '));
  const which = labels.length > 0 ? t('explain.where', ' where {{conditions}}', { conditions }) : '';
  const when = offset
    ? offset.startsWith('-')
      ? t('explain.later', ', as they are {{duration}} later', { duration: offset.slice(1) })
      : t('explain.earlier', ', as they were {{duration}} earlier', { duration: offset })
    : '';
  return `${what}${which}${when}${at ? t('explain.at', ', at the time {{at}}', { at }) : ''}.`;
}

function filterWords({ label, operator, value }: LabelFilter): string {
  switch (operator) {
    case '=':
      return value === ''
        ? t('explain.label-missing', 'the label {{label}} is missing', { label })
        : t('explain.label-is', '{{label}} is “{{value}}”', { label, value });
    case '!=':
      return value === ''
        ? t('explain.label-there', 'the label {{label}} is there', { label })
        : t('explain.label-is-not', '{{label}} is not “{{value}}”', { label, value });
    case '=~':
      return t('explain.label-matches', '{{label}} matches “{{value}}” as a whole', { label, value });
    case '!~':
      return t('explain.label-matches-not', '{{label}} does not match “{{value}}”', { label, value });
  }
}

function explainOperation(operation: Operation): Explained {
  switch (operation.kind) {
    case 'call': {
      const { name, window, resolution, parameters } = operation;
      const described = functionNamed(name);
      const names = [...(described?.before ?? []), ...(described?.after ?? [])];
      const given = parameters.map((value, at) => {
        const parameter = names[Math.min(at, names.length - 1)];
        return `${(parameter?.name() ?? t('explain.parameter', 'value')).toLowerCase()} ${value}`;
      });
      const over =
        window === undefined
          ? ''
          : resolution === undefined
            ? t('explain.looking-back', ', looking back {{window}} from each point', { window: windowWords(window) })
            : resolution
              ? t('explain.evaluated-every', ', evaluated every {{resolution}} over {{window}}', {
                  resolution,
                  window: windowWords(window),
                })
              : t('explain.evaluated', ', evaluated at the default distance over {{window}}', {
                  window: windowWords(window),
                });
      const inside = [window === undefined ? '…' : `…[${window}${resolution === undefined ? '' : `:${resolution}`}]`];
      const count = described?.before.length ?? 0;
      const part = `${name}(${[...parameters.slice(0, count), ...inside, ...parameters.slice(count)].join(', ')})`;
      const with_ = given.length > 0 ? ` (${given.join(', ')})` : '';
      return { part, words: `${described?.says() ?? name}${with_}${over}.` };
    }
    case 'aggregation': {
      const { name, parameter, grouping } = operation;
      const clause = grouping ? ` ${grouping.without ? 'without' : 'by'} (${grouping.labels.join(', ')}) ` : '';
      const part = `${name}${clause}(${parameter === undefined ? '' : `${parameter}, `}…)`;
      const says = aggregationNamed(name)?.says() ?? name;
      const which = parameter === undefined ? '' : ` (${parameter})`;
      return { part, words: `${says}${which} ${groupWords(grouping)}.` };
    }
    case 'binary':
      return explainBinary(operation);
  }
}

function windowWords(window: string): string {
  switch (window) {
    case '$__rate_interval':
    case '${__rate_interval}':
      return t('explain.rate-interval', 'a window that always holds at least four samples ($__rate_interval)');
    case '$__interval':
    case '${__interval}':
      return t('explain.interval', 'one step ($__interval)');
    case '$__range':
    case '${__range}':
      return t('explain.range', 'the whole time range ($__range)');
    default:
      return window;
  }
}

function groupWords(grouping: { without: boolean; labels: string[] } | undefined): string {
  if (!grouping || (!grouping.without && grouping.labels.length === 0)) {
    return t('explain.all-together', 'over all series together');
  }
  const labels = grouping.labels.join(', ');
  return grouping.without
    ? t('explain.differ-only', 'over the series that differ only in {{labels}}', {
        labels: labels || t('explain.metric-name', 'the metric’s name'),
      })
    : t('explain.for-each', 'for each {{labels}}', { labels });
}

function operatorWords(operator: BinaryOperator, other: string): string {
  switch (operator) {
    case '+':
      return t('explain.plus', 'Adds {{other}}', { other });
    case '-':
      return t('explain.minus', 'Subtracts {{other}}', { other });
    case '*':
      return t('explain.times', 'Multiplies by {{other}}', { other });
    case '/':
      return t('explain.divided', 'Divides by {{other}}', { other });
    case '%':
      return t('explain.remainder', 'Remainder of a division by {{other}}', { other });
    case '^':
      return t('explain.power', 'Raises to the power of {{other}}', { other });
    case 'atan2':
      return t('explain.atan2', 'Angle to {{other}}', { other });
    case '==':
      return t('explain.equal', 'equal to {{other}}', { other });
    case '!=':
      return t('explain.different', 'different from {{other}}', { other });
    case '>':
      return t('explain.greater', 'greater than {{other}}', { other });
    case '<':
      return t('explain.less', 'less than {{other}}', { other });
    case '>=':
      return t('explain.at-least', 'at least {{other}}', { other });
    case '<=':
      return t('explain.at-most', 'at most {{other}}', { other });
    case 'and':
      return t('explain.and-in', 'Keeps the series that are also in {{other}}', { other });
    case 'or':
      return t('explain.or-from', 'Adds the series that are missing, from {{other}}', { other });
    case 'unless':
      return t('explain.unless-in', 'Takes away the series that are in {{other}}', { other });
  }
}

/** The comparison seen from the number on the left: `5 < x` is about values greater than 5. */
const MIRRORED: Partial<Record<BinaryOperator, BinaryOperator>> = { '<': '>', '>': '<', '<=': '>=', '>=': '<=' };

function explainBinary(operation: BinaryOperation): Explained {
  const { operator, bool, operand, reversed, matching } = operation;
  const nested = typeof operand !== 'string';
  const other = nested ? renderQuery(operand) : operand;
  const part = reversed ? `${other} ${operator} …` : `… ${operator}${bool ? ' bool' : ''} ${nested ? '…' : other}`;
  const target = nested ? t('explain.query-below', 'the query below') : other;
  let words: string;
  if (COMPARISONS.has(operator)) {
    const condition = operatorWords((reversed && MIRRORED[operator]) || operator, target);
    words = bool
      ? t('explain.comparison-bool', '1 for values that are {{condition}}, 0 for others', { condition })
      : t('explain.comparison', 'Keeps only values that are {{condition}}', { condition });
  } else if (reversed) {
    words = t('explain.reversed', 'Takes {{other}} {{operator}} the value', { other, operator });
  } else {
    words = operatorWords(operator, target);
  }
  if (matching) {
    const { on, labels, group } = matching;
    words += on
      ? t('explain.on', ', where both agree in {{labels}}', {
          labels: labels.join(', ') || t('explain.no-label', 'no label'),
        })
      : t('explain.ignoring', ', where all labels but {{labels}} agree', { labels: labels.join(', ') });
    if (group) {
      words +=
        group.side === 'left'
          ? t('explain.group-left', '; several series of the left side may meet one of the other')
          : t('explain.group-right', '; several series of the right side may meet one of the other');
      const taken = group.labels.join(', ');
      words += taken ? t('explain.taken', ', whose {{labels}} they take', { labels: taken }) : '';
    }
  }
  return { part, words: `${words}.`, ...(nested ? { inner: explain(operand) } : {}) };
}
