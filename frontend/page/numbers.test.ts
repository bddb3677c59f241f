import { ago, durationSeconds, durationText, labelText, parse, shown, type Unit } from './numbers';

test.each<[number | null, Unit, string]>([
  [0, 'short', '0'],
  [12, 'short', '12'],
  [1234, 'short', '1234'],
  [12_345, 'short', '12.3 k'],
  [9_999_999, 'short', '10 M'],
  [12_345_678, 'short', '12.3 M'],
  [0.00012, 'short', '1.2e-4'],
  [-3.14159, 'short', '-3.14'],
  [0.1604, 'seconds', '160 ms'],
  [0.00002, 'seconds', '20 µs'],
  [90, 'seconds', '90 s'],
  [3600, 'seconds', '60 min'],
  [1536, 'bytes', '1.5 KiB'],
  [-2048, 'bytes', '-2 KiB'],
  [70.94, 'perMinute', '70.9 /min'],
  [0.5, 'perSecond', '0.5 /s'],
  [null, 'short', '–'],
  [NaN, 'short', '–'],
  [Infinity, 'seconds', '+∞'],
])('%p in %s is written %p', (value, unit, text) => {
  expect(shown(value, unit)).toBe(text);
});

test('a value of the API may be infinite or no number', () => {
  expect([parse('+Inf'), parse('-Inf'), parse('1e3')]).toEqual([Infinity, -Infinity, 1000]);
  expect(parse('NaN')).toBeNaN();
});

test('labels are written as PromQL writes them, with what stands in them escaped', () => {
  expect(labelText({ __name__: 'up' })).toBe('up');
  expect(labelText({})).toBe('{}');
  expect(labelText({ __name__: 'm', a: 'x"y', b: '<b>' })).toBe('m{a="x\\"y", b="<b>"}');
});

test('durations are read and written as the API does', () => {
  expect(['1s', '1m30s', '500ms', '1h', ''].map(durationSeconds)).toEqual([1, 90, 0.5, 3600, 0]);
  expect([10, 60, 90, 3600].map(durationText)).toEqual(['10s', '1m', '90s', '60m']);
});

test('what is long past is told in larger units', () => {
  expect([0.3, 7, 300, 9000].map(ago)).toEqual(['just now', '7 s ago', '5 min ago', '3 h ago']);
});
