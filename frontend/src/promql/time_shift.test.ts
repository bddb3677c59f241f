import { atProblem, offsetProblem } from './time_shift';

test('an offset is a duration, of either sign', () => {
  for (const right of ['', '5m', '-1h30m', '- 5m', '$off', '90']) {
    expect(offsetProblem(right)).toBeUndefined();
  }
  expect(offsetProblem('soon')).toMatch(/duration/);
});

test('a time is the start, the end, or a number of seconds', () => {
  for (const right of ['', 'start()', 'end( )', '1609746000', '1609746000.5', '-1', '${__from:date:seconds}']) {
    expect(atProblem(right)).toBeUndefined();
  }
  expect(atProblem('now')).toMatch(/start\(\)/);
});
