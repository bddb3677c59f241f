import { CoreApp } from '@grafana/data';
import { act, cleanup, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';

import type { HeadwaterDataSource } from '../datasource';
import type { PanelQuery } from '../types';
import QueryEditor from './QueryEditor';

/** Shows the editor as Grafana does, and returns what it changed and the queries it ran. */
function open(query: Partial<PanelQuery> = {}, app?: CoreApp) {
  let newest: PanelQuery = { refId: 'A', ...query };
  const ran: PanelQuery[] = [];
  let replace: (query: PanelQuery) => void = () => undefined;
  function Row() {
    const [shown, setShown] = useState(newest);
    replace = setShown;
    return (
      <QueryEditor
        app={app}
        datasource={{} as HeadwaterDataSource}
        query={shown}
        onChange={(changed) => {
          newest = changed;
          setShown(changed);
        }}
        onRunQuery={() => ran.push(newest)}
      />
    );
  }
  render(<Row />);
  return { query: () => newest, ran, replace: (query: PanelQuery) => replace(query) };
}

const expression = () => screen.getByLabelText('PromQL');
const radio = (name: string) => screen.getByRole('radio', { name });

test('Shift-Enter keeps the text and runs it', async () => {
  const editor = open();
  await userEvent.type(expression(), 'up == 0{Shift>}{Enter}{/Shift}');
  expect(editor.ran).toMatchObject([{ refId: 'A', expr: 'up == 0' }]);
  expect(expression()).toHaveValue('up == 0');
});

test('Enter alone starts a new line and runs nothing', async () => {
  const editor = open();
  await userEvent.type(expression(), 'sum({Enter}up)');
  expect(editor.ran).toEqual([]);
  expect(expression()).toHaveValue('sum(\nup)');
});

test('text that is left is kept, and is not run unasked', async () => {
  const editor = open();
  await userEvent.type(expression(), 'up');
  expect(editor.query().expr).toBeUndefined();
  await userEvent.tab();
  expect(editor.query().expr).toBe('up');
  expect(editor.ran).toEqual([]);
});

test('the button runs what was just typed', async () => {
  const editor = open({}, CoreApp.PanelEditor);
  await userEvent.type(expression(), 'up');
  await userEvent.click(screen.getByRole('button', { name: 'Run query' }));
  expect(editor.ran).toMatchObject([{ refId: 'A', expr: 'up' }]);
});

test('a new query is kept with its defaults, a saved one without', async () => {
  const fresh = open();
  await userEvent.type(expression(), 'up');
  await userEvent.tab();
  expect(fresh.query()).toEqual({
    refId: 'A',
    expr: 'up',
    range: true,
    instant: false,
    format: 'time_series',
    legendFormat: '__auto',
    editorMode: 'code',
  });
  cleanup();
  const saved = open({ expr: 'up' });
  await userEvent.type(expression(), ' == 1');
  await userEvent.tab();
  expect(saved.query()).toEqual({ refId: 'A', expr: 'up == 1' });
});

test('Explore, which has a button of its own, gets no second one', () => {
  open({}, CoreApp.Explore);
  expect(screen.queryByRole('button', { name: 'Run query' })).not.toBeInTheDocument();
});

test('a query replaced from outside shows its text', async () => {
  const editor = open({ expr: 'up' });
  await userEvent.type(expression(), ' == 1');
  act(() => editor.replace({ refId: 'A', expr: 'down' }));
  expect(expression()).toHaveValue('down');
});

test('a query saved with queryText shows it, and keeps edits as expr', async () => {
  const editor = open({ queryText: 'up' });
  expect(expression()).toHaveValue('up');
  await userEvent.type(expression(), ' == 1');
  await userEvent.tab();
  expect(editor.query()).toMatchObject({ expr: 'up == 1' });
});

test('a query saved with queryText can be emptied', async () => {
  open({ queryText: 'up' });
  await userEvent.clear(expression());
  await userEvent.tab();
  expect(expression()).toHaveValue('');
});

test('the type sets both flags and runs', async () => {
  const editor = open({ expr: 'up' });
  expect(radio('Range')).toBeChecked();
  await userEvent.click(radio('Instant'));
  expect(editor.ran).toEqual([{ refId: 'A', expr: 'up', range: false, instant: true }]);
  await userEvent.click(radio('Both'));
  expect(editor.query()).toMatchObject({ range: true, instant: true });
});

test('an alert rule cannot choose both', () => {
  open({ expr: 'up', instant: true }, CoreApp.UnifiedAlerting);
  expect(screen.queryByRole('radio', { name: 'Both' })).not.toBeInTheDocument();
});

test('the format is saved and run', async () => {
  const editor = open({ expr: 'up' });
  expect(radio('Time series')).toBeChecked();
  await userEvent.click(radio('Table'));
  expect(editor.ran).toEqual([{ refId: 'A', expr: 'up', format: 'table' }]);
});

test('a format nobody knows is shown as time series and stays saved', async () => {
  const editor = open({ expr: 'up', format: 7 as never });
  expect(radio('Time series')).toBeChecked();
  await userEvent.click(radio('Instant'));
  expect(editor.query().format).toBe(7);
});

test('the min step is run when entered, and gone when emptied', async () => {
  const editor = open({ expr: 'up' });
  const step = screen.getByLabelText('Min step');
  await userEvent.type(step, '1m{Enter}');
  expect(editor.ran).toEqual([{ refId: 'A', expr: 'up', interval: '1m' }]);
  await userEvent.clear(step);
  await userEvent.tab();
  expect(editor.query().interval).toBeUndefined();
});

test('a min step that is no duration is called wrong', async () => {
  open({ expr: 'up', interval: 'soon' });
  expect(screen.getByRole('alert')).toHaveTextContent('15s');
});

describe('the legend', () => {
  test('is shown as saved', () => {
    open({ legendFormat: '{{job}}' });
    expect(radio('Custom')).toBeChecked();
    expect(screen.getByLabelText('Legend template')).toHaveValue('{{job}}');
  });

  test('a saved query without one is verbose, as in old dashboards', () => {
    open({ expr: 'up' });
    expect(radio('Verbose')).toBeChecked();
  });

  test('auto and verbose are saved at once', async () => {
    const editor = open({ expr: 'up' });
    await userEvent.click(radio('Auto'));
    await userEvent.click(radio('Verbose'));
    expect(editor.ran.map(({ legendFormat }) => legendFormat)).toEqual(['__auto', '']);
  });

  test('a template is saved when it is entered', async () => {
    const editor = open({ expr: 'up', legendFormat: '__auto' });
    await userEvent.click(radio('Custom'));
    expect(editor.ran).toEqual([]);
    await userEvent.type(screen.getByLabelText('Legend template'), '{{{{job}}{Enter}');
    expect(editor.query().legendFormat).toBe('{{job}}');
    expect(radio('Custom')).toBeChecked();
  });
});
