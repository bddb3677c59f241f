import { render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';

import type { ResourceCaller } from '../resources';
import MetricsBrowser from './MetricsBrowser';
import type { Selection } from './selection';

const METRICS = [
  { name: 'hits_total', type: 'counter', description: 'Hits of all pages.', unit: '' },
  { name: 'temperature', type: 'gauge', description: 'In the hall.', unit: 'celsius' },
];

const getResource = jest.fn();

/** What a list that was cut at its limit comes with. */
const CUT = { warnings: ['results truncated due to limit'] };

/** A server with many values, of which it hands out as many as are asked for. */
async function answer(path: string, parameters: Record<string, unknown>) {
  switch (path) {
    case 'metric-search': {
      const metrics = METRICS.filter(({ name }) => name.includes(String(parameters.text)));
      return { found: metrics.length, names: 200_000, truncated: false, metrics };
    }
    case 'api/v1/labels':
      return { status: 'success', data: ['__name__', 'job', 'pod'] };
    case 'api/v1/label/pod/values':
      return { status: 'success', data: Array.from({ length: Number(parameters.limit) }, (_, at) => `pod-${at}`) };
    case 'api/v1/query':
      return { status: 'success', data: { result: [{ metric: {}, value: [0, '1234'] }] } };
    default:
      throw new Error(path);
  }
}

beforeEach(() => {
  getResource.mockReset();
  getResource.mockImplementation(answer);
});

async function open(initial: Selection = { metric: '', labels: [] }) {
  const onUse = jest.fn();
  render(
    <MetricsBrowser
      caller={{ getResource } as unknown as ResourceCaller}
      range={{ start: 10, end: 20 }}
      initial={initial}
      onUse={onUse}
    />
  );
  await screen.findByText('Labels: 2');
  await screen.findByText(/metrics, the best/);
  return onUse;
}

const list = (name: string) => within(screen.getByRole('listbox', { name }));
const field = (name: string) => screen.getByRole('combobox', { name });
const asked = (path: string) => getResource.mock.calls.filter(([name]) => name === path).map(([, what]) => what);

test('a metric is found in the backend, with its type and help, and used', async () => {
  const onUse = await open();
  expect(screen.getByText('2 of 200,000 metrics, the best 2 shown')).toBeVisible();
  expect(screen.getByRole('button', { name: 'Use query' })).toBeDisabled();
  await userEvent.type(field('Search metrics'), 'hits');
  await waitFor(() => expect(list('Search metrics').getAllByRole('option')).toHaveLength(1));
  await userEvent.click(list('Search metrics').getByRole('option', { name: /hits_total.*counter.*Hits of all/ }));
  await userEvent.click(screen.getByRole('button', { name: 'Use query' }));
  await userEvent.click(screen.getByRole('button', { name: 'Use as rate query' }));
  expect(onUse.mock.calls).toEqual([['hits_total'], ['rate(hits_total[$__rate_interval])']]);
});

test('a pause in typing asks once, for a bounded number', async () => {
  await open();
  await userEvent.type(field('Search metrics'), 'temp', { delay: 1 });
  await waitFor(() => expect(list('Search metrics').getAllByRole('option')).toHaveLength(1));
  expect(asked('metric-search')).toEqual([
    { text: '', limit: 100 },
    { text: 'temp', limit: 100 },
  ]);
});

test('labels are the metric’s, and values are searched by the server, of what else is chosen', async () => {
  const onUse = await open({ metric: 'hits_total', labels: [{ label: 'job', values: ['shop'] }, { label: 'pod', values: [] }] }); // prettier-ignore
  expect(asked('api/v1/labels')).toEqual([{ 'match[]': 'hits_total', start: 10, end: 20, limit: 1001 }]);
  expect(await screen.findByText('The first 200 values: type for others')).toBeVisible();
  await userEvent.type(field('Search values of pod'), 'D-1');
  await waitFor(() =>
    expect(asked('api/v1/label/pod/values').at(-1)).toEqual({
      'match[]': 'hits_total{job="shop", pod=~"(?i).*D-1.*"}',
      start: 10,
      end: 20,
      limit: 201,
    })
  );
  await userEvent.click(list('Search values of pod').getByRole('option', { name: 'pod-1' }));
  await userEvent.click(list('Search values of pod').getByRole('option', { name: 'pod-2' }));
  expect(screen.getByRole('status', { name: 'Selector' })).toHaveTextContent(
    'hits_total{job="shop", pod=~"pod-1|pod-2"}'
  );
  await userEvent.click(screen.getByRole('button', { name: 'Use query' }));
  expect(onUse).toHaveBeenCalledWith('hits_total{job="shop", pod=~"pod-1|pod-2"}');
});

test('lists are worked by keys: arrows go, Enter chooses and takes back', async () => {
  await open();
  await userEvent.click(field('Search labels'));
  await userEvent.keyboard('{ArrowDown}{ArrowDown}{Enter}');
  expect(field('Search values of pod')).toBeVisible();
  expect(field('Search labels')).toHaveAttribute(
    'aria-activedescendant',
    list('Search labels').getByRole('option', { name: 'pod' }).id
  );
  await screen.findByText('The first 200 values: type for others');
});

test('the series of a selector are counted when that is asked for, and all is cleared by a button', async () => {
  await open({ metric: 'hits_total', labels: [] });
  await userEvent.click(screen.getByRole('button', { name: 'Count series' }));
  expect(await screen.findByText('Series now: 1,234')).toBeVisible();
  expect(asked('api/v1/query')).toEqual([{ query: 'count(hits_total)' }]);
  await userEvent.click(screen.getByRole('button', { name: 'Clear' }));
  expect(screen.getByRole('button', { name: 'Count series' })).toBeDisabled();
  expect(screen.queryByText('Series now: 1,234')).not.toBeInTheDocument();
  await waitFor(() => expect(asked('api/v1/labels')).toHaveLength(2));
});

test('a look-up that fails is told where it was asked', async () => {
  await open();
  getResource.mockRejectedValue({ status: 502, data: { message: 'Cannot reach the server.' }, config: { url: 'x' } });
  await userEvent.type(field('Search metrics'), 'h');
  expect(await screen.findByText('Cannot reach the server.')).toBeVisible();
});

test('a list is called cut where there is more, and not where all of it is as long as its limit', async () => {
  getResource.mockImplementation(async (path: string, parameters: Record<string, unknown>) => {
    const found = await answer(path, parameters);
    switch (path) {
      case 'metric-search':
        return { ...found, truncated: true };
      case 'api/v1/labels':
        return { ...found, ...CUT };
      case 'api/v1/label/pod/values':
        return { status: 'success', data: Array.from({ length: 200 }, (_, at) => `pod-${at}`) };
      default:
        return found;
    }
  });
  render(
    <MetricsBrowser
      caller={{ getResource } as unknown as ResourceCaller}
      initial={{ metric: '', labels: [{ label: 'pod', values: [] }] }}
      onUse={jest.fn()}
    />
  );
  expect(await screen.findByText('2 of 200,000 or more metrics, the best 2 shown')).toBeVisible();
  expect(screen.getByText('The first 2 labels: choose a metric for its own')).toBeVisible();
  expect(await screen.findByText('Values: 200')).toBeVisible();
  await userEvent.click(list('Search metrics').getByRole('option', { name: /hits_total/ }));
  expect(await screen.findByText('The first 2 labels: there are more')).toBeVisible();
});
