import { interpolatePromQL } from './interpolation';

interface Variable {
  value: unknown;
  multi?: boolean;
  includeAll?: boolean;
}

/** Stands in for Grafana's template service: hands `$name`s to the formatter, leaves the unknown. */
function interpolate(text: string, variables: Record<string, Variable>): string {
  return interpolatePromQL(text, (from, formatter) =>
    from.replace(/\$(\w+)/g, (whole, name) => {
      const variable = variables[name];
      return variable ? formatter(variable.value, variable) : whole;
    })
  );
}

const several = (...value: string[]): Variable => ({ value, multi: true });
const one = (value: string): Variable => ({ value });

test('a text without variables stays as it is', () => {
  expect(interpolate('rate(a{b="c\\"d"}[5m]) # "$x', {})).toBe('rate(a{b="c\\"d"}[5m]) # "$x');
});

test('a variable that is not known here is left for the backend', () => {
  expect(interpolate('rate($metric[$__rate_interval])', { metric: one('up') })).toBe('rate(up[$__rate_interval])');
});

test('a plain value is put in unchanged', () => {
  expect(interpolate('up{job="$job"}', { job: one('api') })).toBe('up{job="api"}');
});

test('a quote in a value cannot end the string it stands in', () => {
  expect(interpolate('up{job="$job"}', { job: one('a"} or vector(1) #') })).toBe('up{job="a\\"} or vector(1) #"}');
  expect(interpolate("up{job='$job'}", { job: one("it's") })).toBe("up{job='it\\'s'}");
});

test('the other kind of quote needs no escape', () => {
  expect(interpolate('up{job="$job"}', { job: one("it's") })).toBe('up{job="it\'s"}');
});

test('a backslash survives the string', () => {
  expect(interpolate('up{path="$path"}', { path: one('C:\\data') })).toBe('up{path="C:\\\\data"}');
});

test('a line break in a value does not break the string', () => {
  expect(interpolate('up{text="$text"}', { text: one('a\nb') })).toBe('up{text="a\\nb"}');
});

test('a text box variable keeps its regular expression', () => {
  expect(interpolate('up{job=~"$pattern"}', { pattern: one('api-.*|web\\d') })).toBe('up{job=~"api-.*|web\\\\d"}');
});

test('the values of a multi-value variable match letter by letter in a regular expression', () => {
  expect(interpolate('up{instance=~"$i"}', { i: several('10.0.0.1:80', 'a|b') })).toBe(
    'up{instance=~"(10\\\\.0\\\\.0\\\\.1:80|a\\\\|b)"}'
  );
});

test('one chosen value needs no parentheses', () => {
  expect(interpolate('up{job=~"$job"}', { job: several('a.b') })).toBe('up{job=~"a\\\\.b"}');
});

test('a variable with an All option is escaped as a multi-value one', () => {
  expect(interpolate('up{job=~"$job"}', { job: { value: 'a.b', includeAll: true } })).toBe('up{job=~"a\\\\.b"}');
});

test('one chosen value of a multi-value variable is compared exactly by = and !=', () => {
  expect(interpolate('up{job="$job"}', { job: several('a.b') })).toBe('up{job="a.b"}');
  expect(interpolate('up{job != "$job"}', { job: several('a.b') })).toBe('up{job != "a.b"}');
});

test('several values under !~ are alternatives', () => {
  expect(interpolate('up{job!~"$job"}', { job: several('a', 'b') })).toBe('up{job!~"(a|b)"}');
});

test('between backquotes a regular expression is escaped once', () => {
  expect(interpolate('up{job=~`$job`}', { job: several('a.b', 'c') })).toBe('up{job=~`(a\\.b|c)`}');
  expect(interpolate('up{job=~`$job`}', { job: one('\\d+') })).toBe('up{job=~`\\d+`}');
});

test('outside quotes several values are a list', () => {
  expect(interpolate('sum by ($labels) (up)', { labels: several('job', 'instance') })).toBe(
    'sum by (job, instance) (up)'
  );
});

test('outside quotes a number keeps its point', () => {
  expect(interpolate('quantile($q, up)', { q: several('0.5') })).toBe('quantile(0.5, up)');
});

test('an escaped quote does not end a string', () => {
  expect(interpolate('up{a="x\\"y",b=~"$v"}', { v: several('1.2') })).toBe('up{a="x\\"y",b=~"1\\\\.2"}');
});

test('a backslash between backquotes does not protect the closing one', () => {
  expect(interpolate('up{a=~`\\`,b=~"$v"}', { v: several('1.2') })).toBe('up{a=~`\\`,b=~"1\\\\.2"}');
});

test('a quote in a comment opens no string', () => {
  expect(interpolate("up # it's\n + sum by ($l) (up)", { l: several('a', 'b') })).toBe(
    "up # it's\n + sum by (a, b) (up)"
  );
});

test('a value cannot leave the comment it stands in', () => {
  expect(interpolate('up # $note\n+ 1', { note: one('first\nsecond') })).toBe('up # first second\n+ 1');
});

test('two variables in one string are both written', () => {
  expect(interpolate('up{job=~"$a-$b"}', { a: several('x'), b: one('y') })).toBe('up{job=~"x-y"}');
});

test('a number as a value is written as text', () => {
  expect(interpolate('topk($n, up)', { n: { value: 5 } })).toBe('topk(5, up)');
});

test('a variable without a value leaves nothing behind', () => {
  expect(interpolate('up{job=~"$job"}', { job: { value: undefined } })).toBe('up{job=~""}');
  expect(interpolate('up{job=~"$job"}', { job: several() })).toBe('up{job=~"()"}');
});
