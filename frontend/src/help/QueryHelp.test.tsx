import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';

import { knownMetrics } from './examples';
import QueryHelp, { type Props } from './QueryHelp';

const metadata = {
  go_goroutines: [{ type: 'gauge', help: 'Goroutines.' }],
  shop_orders: [{ type: 'counter', help: 'Orders.' }],
  shop_seconds: [{ type: 'histogram', help: 'Times.' }],
  shop_open: [{ type: 'gauge', help: 'Open carts.' }],
  gone_total: [{ type: 'counter', help: 'Not there.' }],
};
const names = ['go_goroutines', 'shop_orders_total', 'shop_open', 'shop_seconds_bucket', 'shop_seconds_count'];

interface Described {
  metadata: Record<string, unknown>;
  names: string[];
}

function open(described: () => Promise<Described>) {
  const onClickExample = jest.fn();
  const getResource = async (path: string) => {
    const { metadata, names } = await described();
    return { status: 'success', data: path === 'api/v1/metadata' ? metadata : names };
  };
  const datasource = { getResource } as unknown as Props['datasource'];
  render(<QueryHelp datasource={datasource} query={{ refId: 'A' }} onClickExample={onClickExample} />);
  return onClickExample;
}

test('only metrics that have samples are known, the app’s own before the runtime’s', () => {
  expect(knownMetrics(metadata, names).map(({ name }) => name)).toEqual([
    'shop_open',
    'shop_orders_total',
    'shop_seconds',
    'go_goroutines',
  ]);
});

test('each type gets the query that suits it, and a click takes it over', async () => {
  const clicked = open(() => Promise.resolve({ metadata, names }));
  expect(await screen.findByText('sum(rate(shop_orders_total[$__rate_interval]))')).toBeVisible();
  expect(
    screen.getByText('histogram_quantile(0.95, sum by (le) (rate(shop_seconds_bucket[$__rate_interval])))')
  ).toBeVisible();
  expect(screen.queryByText(/gone_total/)).not.toBeInTheDocument();
  await userEvent.click(screen.getByRole('button', { name: 'shop_open' }));
  expect(clicked).toHaveBeenCalledWith(expect.objectContaining({ expr: 'shop_open', range: true }));
});

test('a long query breaks behind brackets, not inside of a name', async () => {
  open(() => Promise.resolve({ metadata, names }));
  const query = await screen.findByText('sum(rate(shop_orders_total[$__rate_interval]))');
  expect(query.innerHTML).toBe('sum(<wbr>rate(<wbr>shop_orders_total[<wbr>$__rate_interval]))');
});

test('where nothing is known, there is still the health of the targets', async () => {
  open(() => Promise.resolve({ metadata: {}, names: [] }));
  expect(await screen.findByRole('button', { name: 'up' })).toBeVisible();
});

test('what stands in the way is said', async () => {
  open(() => Promise.reject({ status: 502, data: { message: 'Cannot reach http://prom.' }, config: { url: 'x' } }));
  expect(await screen.findByText('Cannot reach http://prom.')).toBeVisible();
});
