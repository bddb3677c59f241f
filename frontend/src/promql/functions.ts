/** PromQL's functions and aggregations as the builder offers them: what each takes, and what it does in words. */
import { t } from '../translate';

export type ParameterKind = 'number' | 'text';

/** A text in the language of who reads it: known only once translations are loaded. */
type Words = () => string;

export interface Parameter {
  name: Words;
  kind: ParameterKind;
  /** What a new operation starts with. */
  initial: string;
  optional?: boolean;
  /** The last parameter may be repeated. */
  repeats?: boolean;
}

/** What stands between a function's parentheses besides its parameters. */
export type Input = 'vector' | 'range' | 'nothing';

export interface PromFunction {
  name: string;
  input: Input;
  /** Parameters before and behind the input. */
  before: Parameter[];
  after: Parameter[];
  /** Under which heading the builder lists it. */
  group: FunctionGroup;
  /** A sentence without its subject: "Multiplies …". */
  says: Words;
}

export type FunctionGroup = 'range' | 'aggregation' | 'function' | 'time' | 'trigonometry';

export interface Aggregation {
  name: string;
  parameter?: Parameter;
  says: Words;
}

const number = (name: Words, initial: string, optional = false): Parameter => ({
  name,
  kind: 'number',
  initial,
  ...(optional ? { optional } : {}),
});
const text = (name: Words, initial: string, repeats = false): Parameter => ({
  name,
  kind: 'text',
  initial,
  ...(repeats ? { repeats } : {}),
});

type Entry = [name: string, says: Words, before?: Parameter[], after?: Parameter[]];

function make(group: FunctionGroup, input: Input, entries: Entry[]) {
  return entries.map(([name, says, before = [], after = []]): PromFunction => ({
    name,
    input,
    before,
    after,
    group,
    says,
  }));
}

export const FUNCTIONS: readonly PromFunction[] = [
  ...make('range', 'range', [
    [
      'rate',
      () =>
        t('functions.rate', 'Per-second increase, on average over the window; restarts of the counter are made up for'),
    ],
    [
      'increase',
      () => t('functions.increase', 'How much the counter grew in the window; restarts of the counter are made up for'),
    ],
    ['irate', () => t('functions.irate', 'Per-second increase between the last two samples of the window')],
    ['delta', () => t('functions.delta', 'Difference between the end and the start of the window, for gauges')],
    ['idelta', () => t('functions.idelta', 'Difference between the last two samples of the window, for gauges')],
    [
      'deriv',
      () => t('functions.deriv', 'Per-second slope of a straight line through the samples of the window, for gauges'),
    ],
    [
      'predict_linear',
      () =>
        t('functions.predict_linear', 'Value that a straight line through the window reaches so many seconds later'),
      [],
      [number(() => t('parameters.seconds-ahead', 'Seconds ahead'), '3600')],
    ],
    ['avg_over_time', () => t('functions.avg_over_time', 'Average of the samples in the window')],
    ['min_over_time', () => t('functions.min_over_time', 'Smallest sample in the window')],
    ['max_over_time', () => t('functions.max_over_time', 'Greatest sample in the window')],
    ['sum_over_time', () => t('functions.sum_over_time', 'Sum of the samples in the window')],
    ['count_over_time', () => t('functions.count_over_time', 'Number of samples in the window')],
    [
      'quantile_over_time',
      () => t('functions.quantile_over_time', 'Quantile of the samples in the window'),
      [number(() => t('parameters.quantile', 'Quantile'), '0.95')],
    ],
    ['stddev_over_time', () => t('functions.stddev_over_time', 'Standard deviation of the samples in the window')],
    ['stdvar_over_time', () => t('functions.stdvar_over_time', 'Variance of the samples in the window')],
    ['mad_over_time', () => t('functions.mad_over_time', 'Median absolute deviation of the samples in the window')],
    ['last_over_time', () => t('functions.last_over_time', 'Newest sample in the window')],
    ['first_over_time', () => t('functions.first_over_time', 'Oldest sample in the window')],
    ['present_over_time', () => t('functions.present_over_time', '1 for each series with a sample in the window')],
    ['absent_over_time', () => t('functions.absent_over_time', '1 if no series has a sample in the window')],
    ['changes', () => t('functions.changes', 'How often the value changed in the window')],
    ['resets', () => t('functions.resets', 'How often the counter restarted in the window')],
    [
      'double_exponential_smoothing',
      () => t('functions.double_exponential_smoothing', 'Smoothed value, with a trend'),
      [],
      [
        number(() => t('parameters.smoothing', 'Smoothing'), '0.5'),
        number(() => t('parameters.trend', 'Trend'), '0.5'),
      ],
    ],
  ]),
  ...make('function', 'vector', [
    [
      'histogram_quantile',
      () => t('functions.histogram_quantile', 'Value below which this share of a histogram’s observations lies'),
      [number(() => t('parameters.quantile', 'Quantile'), '0.95')],
    ],
    [
      'histogram_fraction',
      () => t('functions.histogram_fraction', 'Share of a native histogram’s observations between two values'),
      [number(() => t('parameters.lower', 'Lower'), '0'), number(() => t('parameters.upper', 'Upper'), '0.2')],
    ],
    ['histogram_avg', () => t('functions.histogram_avg', 'Average of a native histogram’s observations')],
    ['histogram_count', () => t('functions.histogram_count', 'Number of a native histogram’s observations')],
    ['histogram_sum', () => t('functions.histogram_sum', 'Sum of a native histogram’s observations')],
    [
      'histogram_stddev',
      () => t('functions.histogram_stddev', 'Standard deviation of a native histogram’s observations'),
    ],
    ['histogram_stdvar', () => t('functions.histogram_stdvar', 'Variance of a native histogram’s observations')],
    ['abs', () => t('functions.abs', 'Value without its sign')],
    ['absent', () => t('functions.absent', '1 if there is no such series, and nothing otherwise')],
    ['ceil', () => t('functions.ceil', 'Value rounded up to a whole number')],
    ['floor', () => t('functions.floor', 'Value rounded down to a whole number')],
    [
      'round',
      () => t('functions.round', 'Value rounded to the nearest multiple'),
      [],
      [number(() => t('parameters.to-nearest', 'To nearest'), '1', true)],
    ],
    [
      'clamp',
      () => t('functions.clamp', 'Value kept between two bounds'),
      [],
      [
        number(() => t('parameters.smallest', 'Smallest'), '0'),
        number(() => t('parameters.greatest', 'Greatest'), '1'),
      ],
    ],
    [
      'clamp_min',
      () => t('functions.clamp_min', 'Value kept above a bound'),
      [],
      [number(() => t('parameters.smallest', 'Smallest'), '0')],
    ],
    [
      'clamp_max',
      () => t('functions.clamp_max', 'Value kept below a bound'),
      [],
      [number(() => t('parameters.greatest', 'Greatest'), '1')],
    ],
    ['exp', () => t('functions.exp', 'e to the power of the value')],
    ['ln', () => t('functions.ln', 'Natural logarithm')],
    ['log2', () => t('functions.log2', 'Logarithm to the base 2')],
    ['log10', () => t('functions.log10', 'Logarithm to the base 10')],
    ['sqrt', () => t('functions.sqrt', 'Square root')],
    ['sgn', () => t('functions.sgn', 'Sign of the value: 1, 0 or -1')],
    ['sort', () => t('functions.sort', 'Series ordered by value, smallest first')],
    ['sort_desc', () => t('functions.sort_desc', 'Series ordered by value, greatest first')],
    [
      'label_replace',
      () => t('functions.label_replace', 'Sets a label from another by a regular expression'),
      [],
      [
        text(() => t('parameters.to-label', 'To label'), 'dst'),
        text(() => t('parameters.value', 'Value'), '$1'),
        text(() => t('parameters.from-label', 'From label'), 'src'),
        text(() => t('parameters.regex', 'Regex'), '(.*)'),
      ],
    ],
    [
      'label_join',
      () => t('functions.label_join', 'Sets a label from others, joined'),
      [],
      [
        text(() => t('parameters.to-label', 'To label'), 'dst'),
        text(() => t('parameters.separator', 'Separator'), ','),
        text(() => t('parameters.from-label', 'From label'), 'src', true),
      ],
    ],
    ['scalar', () => t('functions.scalar', 'The one series’ value, without labels')],
    ['vector', () => t('functions.vector', 'The number as a series without labels')],
    ['timestamp', () => t('functions.timestamp', 'When the sample was taken, in seconds since 1970')],
  ]),
  ...make('time', 'vector', [
    ['minute', () => t('functions.minute', 'Minute of the hour, in UTC')],
    ['hour', () => t('functions.hour', 'Hour of the day, in UTC')],
    ['day_of_week', () => t('functions.day_of_week', 'Day of the week, in UTC; Sunday is 0')],
    ['day_of_month', () => t('functions.day_of_month', 'Day of the month, in UTC')],
    ['day_of_year', () => t('functions.day_of_year', 'Day of the year, in UTC')],
    ['days_in_month', () => t('functions.days_in_month', 'Number of days in the month, in UTC')],
    ['month', () => t('functions.month', 'Month of the year, in UTC')],
    ['year', () => t('functions.year', 'Year, in UTC')],
  ]),
  ...make(
    'trigonometry',
    'vector',
    ['sin', 'cos', 'tan', 'asin', 'acos', 'atan', 'sinh', 'cosh', 'tanh', 'asinh', 'acosh', 'atanh'].map(
      (name): Entry => [name, () => t('functions.trigonometry', 'The trigonometric function {{name}}', { name })]
    )
  ),
  ...make('trigonometry', 'vector', [
    ['deg', () => t('functions.deg', 'Radians as degrees')],
    ['rad', () => t('functions.rad', 'Degrees as radians')],
  ]),
];

export const AGGREGATIONS: readonly Aggregation[] = [
  { name: 'sum', says: () => t('aggregations.sum', 'Sum') },
  { name: 'avg', says: () => t('aggregations.avg', 'Average') },
  { name: 'min', says: () => t('aggregations.min', 'Smallest value') },
  { name: 'max', says: () => t('aggregations.max', 'Greatest value') },
  { name: 'count', says: () => t('aggregations.count', 'Number of series') },
  {
    name: 'topk',
    says: () => t('aggregations.topk', 'Series with the greatest values'),
    parameter: number(() => t('parameters.how-many', 'How many'), '5'),
  },
  {
    name: 'bottomk',
    says: () => t('aggregations.bottomk', 'Series with the smallest values'),
    parameter: number(() => t('parameters.how-many', 'How many'), '5'),
  },
  {
    name: 'quantile',
    says: () => t('aggregations.quantile', 'Quantile of the values'),
    parameter: number(() => t('parameters.quantile', 'Quantile'), '0.95'),
  },
  { name: 'stddev', says: () => t('aggregations.stddev', 'Standard deviation of the values') },
  { name: 'stdvar', says: () => t('aggregations.stdvar', 'Variance of the values') },
  { name: 'group', says: () => t('aggregations.group', '1 for each group') },
  {
    name: 'count_values',
    says: () => t('aggregations.count_values', 'Number of series with each value'),
    parameter: text(() => t('parameters.into-label', 'Into label'), 'value'),
  },
  {
    name: 'limitk',
    says: () => t('aggregations.limitk', 'Some of the series'),
    parameter: number(() => t('parameters.how-many', 'How many'), '5'),
  },
  {
    name: 'limit_ratio',
    says: () => t('aggregations.limit_ratio', 'A share of the series'),
    parameter: number(() => t('parameters.share', 'Share'), '0.1'),
  },
];

export const BINARY_OPERATORS = [
  '+',
  '-',
  '*',
  '/',
  '%',
  '^',
  'atan2',
  '==',
  '!=',
  '>',
  '<',
  '>=',
  '<=',
  'and',
  'or',
  'unless',
] as const;
export type BinaryOperator = (typeof BINARY_OPERATORS)[number];

export const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '>', '<', '>=', '<=']);
export const SET_OPERATORS: ReadonlySet<string> = new Set(['and', 'or', 'unless']);

const FUNCTIONS_BY_NAME = new Map(FUNCTIONS.map((entry) => [entry.name, entry]));
const AGGREGATIONS_BY_NAME = new Map(AGGREGATIONS.map((entry) => [entry.name, entry]));

export function functionNamed(name: string): PromFunction | undefined {
  return FUNCTIONS_BY_NAME.get(name);
}

export function aggregationNamed(name: string): Aggregation | undefined {
  return AGGREGATIONS_BY_NAME.get(name);
}
