import { durationProblem } from './duration';

test.each(['', '15s', '1h30m', '500ms', '1d', '2w3d', '30', '$__rate_interval', '${step}', '[[step]]', ' 1m '])(
  '%p is accepted',
  (text) => {
    expect(durationProblem(text)).toBeUndefined();
  }
);

test.each(['15 s', '30m1h', '1.5h', 'soon', '15sec', '-5m', '1m1m'])('%p is refused with an example', (text) => {
  expect(durationProblem(text)).toContain('15s');
});
