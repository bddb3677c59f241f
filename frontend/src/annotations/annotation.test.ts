import { type DataFrame, toDataFrame } from '@grafana/data';
import { lastValueFrom } from 'rxjs';

import { type HeadwaterAnnotation, prepareAnnotation, prepareQuery, processEvents } from './annotation';

const anno: HeadwaterAnnotation = {
  name: 'Restarts',
  enable: true,
  iconColor: 'red',
  target: { refId: 'Anno', expr: 'changes(x[1m])' },
  titleFormat: '{{job}}',
  textFormat: '{{ instance }} restarted',
  tagKeys: 'job, zone,missing',
};

function frame(values: Array<number | null>, labels = { job: 'api', instance: 'a:1', zone: 'eu' }): DataFrame {
  return toDataFrame({
    fields: [
      { name: 'Time', type: 'time', values: values.map((_, row) => row * 60_000), config: { interval: 60_000 } },
      { name: 'Value', type: 'number', values, labels },
    ],
  });
}

const events = (annotation: HeadwaterAnnotation, frames: DataFrame[]) =>
  lastValueFrom(processEvents(annotation, frames));

test('each point that is not zero is an event, neighbours are one region', async () => {
  expect(await events(anno, [frame([0, 1, 0, 2, 3, Number.NaN, null, 1])])).toEqual([
    expect.objectContaining({ time: 60_000 }),
    expect.objectContaining({ time: 180_000, timeEnd: 240_000, isRegion: true }),
    expect.objectContaining({ time: 420_000 }),
  ]);
});

test('title, text and tags come from the labels', async () => {
  const [event] = await events(anno, [frame([1])]);
  expect(event).toMatchObject({ title: 'api', text: 'a:1 restarted', tags: ['api', 'eu'] });
});

test('the value can be the time; the same time is one event', async () => {
  const started = await events({ ...anno, useValueForTime: true }, [frame([5000, 5000, 9000.7, 0])]);
  expect(started.map(({ time, timeEnd }) => [time, timeEnd])).toEqual([
    [5000, undefined],
    [9000, undefined],
  ]);
});

test('an old annotation keeps its expression and its step', () => {
  const old = { name: 'x', enable: true, iconColor: 'red', expr: 'up == 0', step: '30s' };
  expect(prepareAnnotation(old)).toMatchObject({ ...old, target: { refId: 'Anno', expr: 'up == 0', interval: '30s' } });
  expect(prepareQuery(old)).toMatchObject({ expr: 'up == 0', interval: '30s', range: true, instant: false });
});

test.each([
  ['an old one', { name: 'x', enable: true, iconColor: 'red', expr: 'up == 0', step: '30s' }],
  ['a new one', { name: 'x', enable: true, iconColor: 'red' }],
  ['one of today', anno],
])('an annotation that is prepared is the same object from then on: %s', (_, json) => {
  const prepared = prepareAnnotation(json);
  expect(prepareAnnotation(prepared)).toBe(prepared);
});

test('without a step every minute is looked at, without an expression nothing is asked', () => {
  expect(prepareQuery(anno)).toMatchObject({ interval: '60s' });
  expect(prepareQuery({ ...anno, target: { refId: 'Anno', expr: ' ' } })).toBeUndefined();
});

test('frames without values are no events', async () => {
  expect(await events(anno, [toDataFrame({ fields: [] })])).toEqual([]);
});
