/** Says in words what each part of a query does. */
import { aggregationNamed, COMPARISONS, functionNamed } from './functions';
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
    ? 'The time of each point, in seconds since 1970.'
    : 'A value that is the same for all series.';
}

function sourceWords({ source }: BuilderQuery): string {
  if (source.kind !== 'series') {
    return '';
  }
  const { metric, labels, offset, at } = source;
  const what = metric ? `All series of ${metric}` : 'All series of any metric';
  const which = labels.length > 0 ? ` where ${labels.map(filterWords).join(' and ')}` : '';
  const when = offset
    ? offset.startsWith('-')
      ? `, as they are ${offset.slice(1)} later`
      : `, as they were ${offset} earlier`
    : '';
  return `${what}${which}${when}${at ? `, at the time ${at}` : ''}.`;
}

function filterWords({ label, operator, value }: LabelFilter): string {
  switch (operator) {
    case '=':
      return value === '' ? `the label ${label} is missing` : `${label} is “${value}”`;
    case '!=':
      return value === '' ? `the label ${label} is there` : `${label} is not “${value}”`;
    case '=~':
      return `${label} matches “${value}” as a whole`;
    case '!~':
      return `${label} does not match “${value}”`;
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
        return `${(parameter?.name ?? 'value').toLowerCase()} ${value}`;
      });
      const over =
        window === undefined
          ? ''
          : resolution === undefined
            ? `, looking back ${windowWords(window)} from each point`
            : `, evaluated ${resolution ? `every ${resolution}` : 'at the default distance'} over ${windowWords(window)}`;
      const inside = [window === undefined ? '…' : `…[${window}${resolution === undefined ? '' : `:${resolution}`}]`];
      const count = described?.before.length ?? 0;
      const part = `${name}(${[...parameters.slice(0, count), ...inside, ...parameters.slice(count)].join(', ')})`;
      const with_ = given.length > 0 ? ` (${given.join(', ')})` : '';
      return { part, words: `${described?.says ?? name}${with_}${over}.` };
    }
    case 'aggregation': {
      const { name, parameter, grouping } = operation;
      const clause = grouping ? ` ${grouping.without ? 'without' : 'by'} (${grouping.labels.join(', ')}) ` : '';
      const part = `${name}${clause}(${parameter === undefined ? '' : `${parameter}, `}…)`;
      const says = aggregationNamed(name)?.says ?? name;
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
      return 'a window that always holds at least four samples ($__rate_interval)';
    case '$__interval':
    case '${__interval}':
      return 'one step ($__interval)';
    case '$__range':
    case '${__range}':
      return 'the whole time range ($__range)';
    default:
      return window;
  }
}

function groupWords(grouping: { without: boolean; labels: string[] } | undefined): string {
  if (!grouping || (!grouping.without && grouping.labels.length === 0)) {
    return 'over all series together';
  }
  const labels = grouping.labels.join(', ');
  return grouping.without
    ? `over the series that differ only in ${labels || 'the metric’s name'}`
    : `for each ${labels}`;
}

const OPERATOR_WORDS: Record<string, string> = {
  '+': 'Adds',
  '-': 'Subtracts',
  '*': 'Multiplies by',
  '/': 'Divides by',
  '%': 'Remainder of a division by',
  '^': 'Raises to the power of',
  atan2: 'Angle to',
  '==': 'equal to',
  '!=': 'different from',
  '>': 'greater than',
  '<': 'less than',
  '>=': 'at least',
  '<=': 'at most',
  and: 'Keeps the series that are also in',
  or: 'Adds the series that are missing, from',
  unless: 'Takes away the series that are in',
};

function explainBinary(operation: BinaryOperation): Explained {
  const { operator, bool, operand, reversed, matching } = operation;
  const nested = typeof operand !== 'string';
  const other = nested ? renderQuery(operand) : operand;
  const part = reversed ? `${other} ${operator} …` : `… ${operator}${bool ? ' bool' : ''} ${nested ? '…' : other}`;
  const told = OPERATOR_WORDS[operator] ?? operator;
  const target = nested ? 'the query below' : other;
  let words: string;
  if (COMPARISONS.has(operator)) {
    const subject = reversed ? `to which ${other} is ${told}` : `that are ${told} ${target}`;
    words = bool ? `1 for values ${subject}, 0 for others` : `Keeps only values ${subject}`;
  } else if (reversed) {
    words = `Takes ${other} ${operator} the value`;
  } else {
    words = `${told} ${target}`;
  }
  if (matching) {
    const { on, labels, group } = matching;
    words += on
      ? `, where ${labels.join(', ') || 'no label'} agree`
      : `, where all labels but ${labels.join(', ')} agree`;
    if (group) {
      words += `; several series of the ${group.side} side may meet one of the other`;
      words += group.labels.length > 0 ? `, whose ${group.labels.join(', ')} they take` : '';
    }
  }
  return { part, words: `${words}.`, ...(nested ? { inner: explain(operand) } : {}) };
}
