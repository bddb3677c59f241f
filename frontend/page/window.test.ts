import { timeWindow } from './window';

test('a long range has no more points than a chart is wide', () => {
  const window = timeWindow(1_000_000.4, 86_400, 15, undefined);
  expect(window.step).toBe(360);
  expect((window.end - window.start) / window.step).toBeLessThanOrEqual(240);
  expect(window.end).toBeLessThanOrEqual(1_000_000.4);
  expect(window.rateSeconds).toBe(360);
});

test('a young store fills its chart from the left', () => {
  const window = timeWindow(1005.2, 300, 1, 1000);
  expect(window).toEqual({ start: 1000, end: 1005, step: 1, span: [1000, 1060], rateSeconds: 10 });
});

test('points stay where they are while time goes on', () => {
  const a = timeWindow(10_000.1, 3600, 15, undefined);
  const b = timeWindow(10_003.9, 3600, 15, undefined);
  expect(b.start % b.step).toBe(a.start % a.step);
});

test('a store whose first sample lies ahead of the clock gives no range that ends before it begins', () => {
  const window = timeWindow(1000, 300, 15, 2000);
  expect(window.start).toBeLessThanOrEqual(window.end);
});
