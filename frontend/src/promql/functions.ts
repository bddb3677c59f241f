/** PromQL's functions and aggregations as the builder offers them: what each takes, and what it does in words. */

export type ParameterKind = 'number' | 'text';

export interface Parameter {
  name: string;
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
  says: string;
}

export type FunctionGroup = 'range' | 'aggregation' | 'function' | 'time' | 'trigonometry';

export interface Aggregation {
  name: string;
  parameter?: Parameter;
  says: string;
}

const number = (name: string, initial: string, optional = false): Parameter => ({
  name,
  kind: 'number',
  initial,
  ...(optional ? { optional } : {}),
});
const text = (name: string, initial: string, repeats = false): Parameter => ({
  name,
  kind: 'text',
  initial,
  ...(repeats ? { repeats } : {}),
});

function make(group: FunctionGroup, input: Input, entries: Array<[string, string, Parameter[]?, Parameter[]?]>) {
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
    ['rate', 'Per-second increase, on average over the window; restarts of the counter are made up for'],
    ['increase', 'How much the counter grew in the window; restarts of the counter are made up for'],
    ['irate', 'Per-second increase between the last two samples of the window'],
    ['delta', 'Difference between the end and the start of the window, for gauges'],
    ['idelta', 'Difference between the last two samples of the window, for gauges'],
    ['deriv', 'Per-second slope of a straight line through the samples of the window, for gauges'],
    [
      'predict_linear',
      'Value that a straight line through the window reaches so many seconds later',
      [],
      [number('Seconds ahead', '3600')],
    ],
    ['avg_over_time', 'Average of the samples in the window'],
    ['min_over_time', 'Smallest sample in the window'],
    ['max_over_time', 'Greatest sample in the window'],
    ['sum_over_time', 'Sum of the samples in the window'],
    ['count_over_time', 'Number of samples in the window'],
    ['quantile_over_time', 'Quantile of the samples in the window', [number('Quantile', '0.95')]],
    ['stddev_over_time', 'Standard deviation of the samples in the window'],
    ['stdvar_over_time', 'Variance of the samples in the window'],
    ['mad_over_time', 'Median absolute deviation of the samples in the window'],
    ['last_over_time', 'Newest sample in the window'],
    ['first_over_time', 'Oldest sample in the window'],
    ['present_over_time', '1 for each series with a sample in the window'],
    ['absent_over_time', '1 if no series has a sample in the window'],
    ['changes', 'How often the value changed in the window'],
    ['resets', 'How often the counter restarted in the window'],
    [
      'double_exponential_smoothing',
      'Smoothed value, with a trend',
      [],
      [number('Smoothing', '0.5'), number('Trend', '0.5')],
    ],
  ]),
  ...make('function', 'vector', [
    [
      'histogram_quantile',
      'Value below which this share of a histogram’s observations lies',
      [number('Quantile', '0.95')],
    ],
    [
      'histogram_fraction',
      'Share of a native histogram’s observations between two values',
      [number('Lower', '0'), number('Upper', '0.2')],
    ],
    ['histogram_avg', 'Average of a native histogram’s observations'],
    ['histogram_count', 'Number of a native histogram’s observations'],
    ['histogram_sum', 'Sum of a native histogram’s observations'],
    ['histogram_stddev', 'Standard deviation of a native histogram’s observations'],
    ['histogram_stdvar', 'Variance of a native histogram’s observations'],
    ['abs', 'Value without its sign'],
    ['absent', '1 if there is no such series, and nothing otherwise'],
    ['ceil', 'Value rounded up to a whole number'],
    ['floor', 'Value rounded down to a whole number'],
    ['round', 'Value rounded to the nearest multiple', [], [number('To nearest', '1', true)]],
    ['clamp', 'Value kept between two bounds', [], [number('Smallest', '0'), number('Greatest', '1')]],
    ['clamp_min', 'Value kept above a bound', [], [number('Smallest', '0')]],
    ['clamp_max', 'Value kept below a bound', [], [number('Greatest', '1')]],
    ['exp', 'e to the power of the value'],
    ['ln', 'Natural logarithm'],
    ['log2', 'Logarithm to the base 2'],
    ['log10', 'Logarithm to the base 10'],
    ['sqrt', 'Square root'],
    ['sgn', 'Sign of the value: 1, 0 or -1'],
    ['sort', 'Series ordered by value, smallest first'],
    ['sort_desc', 'Series ordered by value, greatest first'],
    [
      'label_replace',
      'Sets a label from another by a regular expression',
      [],
      [text('To label', 'dst'), text('Value', '$1'), text('From label', 'src'), text('Regex', '(.*)')],
    ],
    [
      'label_join',
      'Sets a label from others, joined',
      [],
      [text('To label', 'dst'), text('Separator', ','), text('From label', 'src', true)],
    ],
    ['scalar', 'The one series’ value, without labels'],
    ['vector', 'The number as a series without labels'],
    ['timestamp', 'When the sample was taken, in seconds since 1970'],
  ]),
  ...make('time', 'vector', [
    ['minute', 'Minute of the hour, in UTC'],
    ['hour', 'Hour of the day, in UTC'],
    ['day_of_week', 'Day of the week, in UTC; Sunday is 0'],
    ['day_of_month', 'Day of the month, in UTC'],
    ['day_of_year', 'Day of the year, in UTC'],
    ['days_in_month', 'Number of days in the month, in UTC'],
    ['month', 'Month of the year, in UTC'],
    ['year', 'Year, in UTC'],
  ]),
  ...make(
    'trigonometry',
    'vector',
    ['sin', 'cos', 'tan', 'asin', 'acos', 'atan', 'sinh', 'cosh', 'tanh', 'asinh', 'acosh', 'atanh'].map(
      (name): [string, string] => [name, `The trigonometric function ${name}`]
    )
  ),
  ...make('trigonometry', 'vector', [
    ['deg', 'Radians as degrees'],
    ['rad', 'Degrees as radians'],
  ]),
];

export const AGGREGATIONS: readonly Aggregation[] = [
  { name: 'sum', says: 'Sum' },
  { name: 'avg', says: 'Average' },
  { name: 'min', says: 'Smallest value' },
  { name: 'max', says: 'Greatest value' },
  { name: 'count', says: 'Number of series' },
  { name: 'topk', says: 'Series with the greatest values', parameter: number('How many', '5') },
  { name: 'bottomk', says: 'Series with the smallest values', parameter: number('How many', '5') },
  { name: 'quantile', says: 'Quantile of the values', parameter: number('Quantile', '0.95') },
  { name: 'stddev', says: 'Standard deviation of the values' },
  { name: 'stdvar', says: 'Variance of the values' },
  { name: 'group', says: '1 for each group' },
  { name: 'count_values', says: 'Number of series with each value', parameter: text('Into label', 'value') },
  { name: 'limitk', says: 'Some of the series', parameter: number('How many', '5') },
  { name: 'limit_ratio', says: 'A share of the series', parameter: number('Share', '0.1') },
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
