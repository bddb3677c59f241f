import { fireEvent, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';

import { renderHeld } from '../../testing/held';
import { layOutLists } from '../../testing/list_layout';
import type { LabelFilter } from '../promql/model';
import type { ResourceCaller } from '../resources';
import { LabelFilters } from './LabelFilters';

const CUT = { warnings: ['results truncated due to limit'] };

const getResource = jest.fn();

beforeAll(layOutLists);

beforeEach(() => {
  // Grafana's list says these two of itself: that it cannot scroll here, and how it marks a row that is no choice.
  jest.spyOn(console, 'warn').mockImplementation(() => undefined);
  jest.spyOn(console, 'error').mockImplementation(() => undefined);
  getResource.mockReset();
  getResource.mockImplementation(async (path: string, parameters: Record<string, unknown>) => {
    if (path === 'api/v1/labels') {
      return { data: ['__name__', 'job', 'pod'], ...CUT };
    }
    const isSearch = String(parameters['match[]']).includes('(?i)');
    return isSearch ? { data: ['pod-2000'] } : { data: ['pod-1', 'pod-2'], ...CUT };
  });
});

/** Shows the filters, and returns what they were changed to. */
function open(filters: LabelFilter[]): () => LabelFilter[] {
  return renderHeld(filters, (shown, onChange) => (
    <LabelFilters
      caller={{ getResource } as unknown as ResourceCaller}
      metric="hits_total"
      filters={shown}
      onChange={onChange}
    />
  ));
}

const field = (name: string) => screen.getByRole('combobox', { name });

test('of more values than are listed the first are called so, and letters are looked up by the server', async () => {
  const filters = open([
    { label: 'job', operator: '=', value: 'shop' },
    { label: 'pod', operator: '=', value: '' },
  ]);
  await userEvent.click(field('Value 2'));
  expect(await screen.findByRole('option', { name: 'The first 2 values: type for others' })).toBeVisible();
  await userEvent.keyboard('D-2000');
  await userEvent.click(await screen.findByRole('option', { name: 'pod-2000' }));
  expect(screen.queryByRole('option', { name: /type for others/ })).not.toBeInTheDocument();
  expect(filters()[1]).toEqual({ label: 'pod', operator: '=', value: 'pod-2000' });
  expect(getResource).toHaveBeenCalledWith(
    'api/v1/label/pod/values',
    { 'match[]': 'hits_total{job="shop", pod=~"(?i).*D-2000.*"}', limit: 1001 },
    expect.anything()
  );
});

test('the row that says that there are more is no choice, for the keys neither', async () => {
  const filters = open([{ label: '', operator: '=', value: '' }]);
  await userEvent.click(field('Label 1'));
  fireEvent.click(await screen.findByRole('option', { name: 'The first 2 labels: type the name of another' }));
  expect(filters()[0]?.label).toBe('');
  await userEvent.click(field('Label 1'));
  await waitFor(() => expect(screen.getAllByRole('option')).toHaveLength(3));
  await userEvent.keyboard('{ArrowUp}{Enter}');
  expect(filters()[0]?.label).toBe('');
});
