import { act, fireEvent, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { BehaviorSubject } from 'rxjs';

import { renderHeld } from '../../testing/held';
import { layOutLists } from '../../testing/list_layout';
import type { HeadwaterDataSource } from '../datasource';
import type { CutChoices } from './HeadwaterVariables';
import type { SavedVariable } from './query_text';
import VariableEditor, { type Props } from './VariableEditor';

const labelNames = jest.fn();
const cut = new BehaviorSubject<CutChoices | undefined>(undefined);

beforeAll(layOutLists);

function open(saved?: SavedVariable): () => SavedVariable | undefined {
  return renderHeld(saved, (query, onChange) => (
    <VariableEditor
      datasource={{ labelNames, variables: { cut } } as unknown as HeadwaterDataSource}
      query={query as Props['query']}
      onChange={(changed) => onChange(changed as unknown as SavedVariable)}
      onRunQuery={() => undefined}
    />
  ));
}

function write(label: RegExp, text: string) {
  fireEvent.change(screen.getByLabelText(label), { target: { value: text } });
  fireEvent.blur(screen.getByLabelText(label));
}

test('an old text is shown in its parts and not changed by being looked at', () => {
  const saved = open('label_values(up{zone="$zone"}, job)');
  expect(screen.getByLabelText(/^Query type/)).toHaveValue('Label values');
  expect(screen.getByLabelText(/^Label/)).toHaveValue('job');
  expect(screen.getByLabelText(/^Of the series/)).toHaveValue('up{zone="$zone"}');
  fireEvent.blur(screen.getByLabelText(/^Of the series/));
  expect(saved()).toMatchObject({ query: 'label_values(up{zone="$zone"}, job)' });
});

test('a label is chosen among those of the selector’s series', async () => {
  labelNames.mockResolvedValue({ entries: ['instance', 'job', 'zone'], truncated: false });
  // The list, whose height is unknown here, cannot scroll to what is chosen and says so.
  jest.spyOn(console, 'warn').mockImplementation(() => undefined);
  const saved = open({ refId: 'v', qryType: 1, query: '' });
  write(/^Of the series/, 'up');
  await userEvent.click(screen.getByLabelText(/^Label/));
  await userEvent.click(await screen.findByRole('option', { name: 'zone' }));
  expect(saved()).toMatchObject({ qryType: 1, query: 'label_values(up, zone)' });
  expect(labelNames).toHaveBeenCalledWith(expect.objectContaining({ selector: 'up' }));
});

test('another type keeps what it can use', async () => {
  const saved = open('label_values(up, job)');
  await userEvent.click(screen.getByLabelText(/^Query type/));
  await userEvent.click(await screen.findByRole('option', { name: /^Series/ }));
  expect(saved()).toMatchObject({ qryType: 4, query: 'up' });
});

test('a classic query is the text that someone writes', async () => {
  const saved = open('label_values(up, job)');
  await userEvent.click(screen.getByLabelText(/^Query type/));
  await userEvent.click(await screen.findByRole('option', { name: /^Classic query/ }));
  expect(saved()).toMatchObject({ qryType: 5, query: 'label_values(up, job)' });
  write(/^Classic query/, 'metrics(go_.*)');
  expect(saved()).toMatchObject({ qryType: 5, query: 'metrics(go_.*)' });
});

test('a list of choices that was cut is told of the query that it answers, and of no other', () => {
  open('label_values(up, job)');
  act(() => cut.next({ query: 'label_values(up, job)', listed: 40_000 }));
  expect(screen.getByText(/ends after 40,000/)).toBeVisible();
  write(/^Of the series/, 'down');
  expect(screen.queryByText(/The list of choices ends/)).not.toBeInTheDocument();
  write(/^Of the series/, 'up');
  expect(screen.getByText(/The list of choices ends/)).toBeVisible();
  act(() => cut.next(undefined));
  expect(screen.queryByText(/The list of choices ends/)).not.toBeInTheDocument();
});
