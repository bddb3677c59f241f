import { CoreApp } from '@grafana/data';
import { act, cleanup, render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';

import type { HeadwaterDataSource } from '../datasource';
import type { PanelQuery } from '../types';
import type { Props as CodeProps } from './CodeField';
import { ExpressionField } from './ExpressionField';
import QueryEditor from './QueryEditor';

// jsdom measures nothing, so the code editor has its own tests; here the plain field stands for it.
jest.mock('./CodeField', () => ({
  __esModule: true,
  default: ({ id, expr, onChange, onRun }: CodeProps) => (
    <ExpressionField id={id} expr={expr} onChange={onChange} onRun={onRun} />
  ),
}));

const getResource = jest.fn();

// The code editor is a part of its own, which is loaded once.
beforeAll(async () => {
  open();
  await waitFor(() => expect(expression()).not.toHaveAttribute('readonly'));
  cleanup();
});

beforeEach(() => {
  getResource.mockReset();
  getResource.mockImplementation((path: string) =>
    Promise.resolve(RESOURCES[path] ?? (path.startsWith('metrics/') ? undefined : { data: [] }))
  );
});

const COUNTER = { name: 'hits_total', type: 'counter', description: 'Hits of all pages.', unit: '' };
const RESOURCES: Record<string, unknown> = {
  'metric-search': { found: 1, names: 7, truncated: false, metrics: [COUNTER] },
  'metrics/hits_total': COUNTER,
  'api/v1/labels': { data: ['__name__', 'job'] },
};

const DATA_SOURCE = {
  interval: '15s',
  getResource: (path: string, parameters?: Record<string, unknown>) => getResource(path, parameters),
  variableNames: () => [],
} as unknown as HeadwaterDataSource;

/** Shows the editor as Grafana does, and returns what it changed and the queries it ran. */
function open(query: Partial<PanelQuery> = { editorMode: 'code' }, app?: CoreApp) {
  let newest: PanelQuery = { refId: 'A', ...query };
  const ran: PanelQuery[] = [];
  let replace: (query: PanelQuery) => void = () => undefined;
  function Row() {
    const [shown, setShown] = useState(newest);
    replace = setShown;
    return (
      <QueryEditor
        app={app}
        datasource={DATA_SOURCE}
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

/** Lets look-ups that were asked for be answered. */
const settle = () => act(async () => undefined);

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
  const editor = open({ editorMode: 'code' }, CoreApp.PanelEditor);
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
  await act(async () => editor.replace({ refId: 'A', expr: 'down' }));
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

describe('the builder', () => {
  const builder = (query: Partial<PanelQuery> = {}) => open({ editorMode: 'builder', ...query });
  const sent = () => screen.queryByTestId('headwater-raw-query')?.textContent;

  test('is what a new query starts with', () => {
    open({});
    expect(radio('Builder')).toBeChecked();
    expect(screen.getByLabelText('Metric')).toHaveValue('');
  });

  test('offers metrics with their type and help, and a counter’s rate', async () => {
    const editor = builder();
    await userEvent.type(screen.getByLabelText('Metric'), 'hit');
    const option = await screen.findByRole('option', { name: /hits_total.*counter.*Hits of all pages/ });
    expect(screen.getByRole('status')).toHaveTextContent('1 of 7 metrics');
    await userEvent.click(option);
    expect(editor.query().expr).toBe('rate(hits_total[$__rate_interval])');
    expect(sent()).toBe('rate(hits_total[$__rate_interval])');
    await settle();
  });

  test('is worked by keys: arrows choose, Enter takes, Escape leaves all as it was', async () => {
    const editor = builder({ expr: 'up' });
    const metric = screen.getByLabelText('Metric');
    await userEvent.click(metric);
    await screen.findByRole('option');
    await userEvent.keyboard('{ArrowDown}{Escape}');
    expect(screen.queryByRole('listbox')).not.toBeInTheDocument();
    expect(editor.query().expr).toBe('up');
    await userEvent.keyboard('{ArrowDown}');
    await screen.findByRole('option');
    await userEvent.keyboard('{ArrowDown}{Enter}');
    expect(editor.query().expr).toContain('hits_total');
    await settle();
  });

  test('keeps a name that nobody knows', async () => {
    const editor = builder();
    getResource.mockResolvedValue({ found: 0, names: 7, truncated: false, metrics: [] });
    await userEvent.type(screen.getByLabelText('Metric'), '$metric');
    await userEvent.tab();
    expect(editor.query().expr).toBe('$metric');
  });

  test('moves and removes steps, and a window behind another step becomes a subquery’s', async () => {
    const editor = builder({ expr: 'sum by (job) (rate(a[5m]))' });
    await userEvent.click(screen.getAllByRole('button', { name: 'Do this later' })[0] as HTMLElement);
    expect(editor.query().expr).toBe('rate(sum by (job) (a)[5m:])');
    await userEvent.click(screen.getAllByRole('button', { name: 'Remove this step' })[1] as HTMLElement);
    expect(editor.query().expr).toBe('sum by (job) (a)');
  });

  test('does not send a filter that has no name yet', async () => {
    const editor = builder({ expr: 'up' });
    await userEvent.click(screen.getByRole('button', { name: 'Add a label filter' }));
    expect(screen.getByRole('combobox', { name: 'Label 1' })).toBeInTheDocument();
    expect(editor.query().expr).toBe('up');
  });

  test('shows a query within a query with a builder of its own', () => {
    builder({ expr: 'a / b' });
    expect(screen.getAllByLabelText('Metric').map((field) => (field as HTMLInputElement).value)).toEqual(['a', 'b']);
  });

  test('shows an offset and an @ as fields, changes one and keeps the other', async () => {
    const editor = builder({ expr: 'rate(a[5m] @ end() offset 1h)' });
    expect(screen.getByLabelText('Offset')).toHaveValue('1h');
    expect(screen.getByLabelText('At time (@)')).toHaveValue('end()');
    await userEvent.clear(screen.getByLabelText('Offset'));
    await userEvent.type(screen.getByLabelText('Offset'), '-2d{Enter}');
    expect(editor.query().expr).toBe('rate(a[5m] @ end() offset -2d)');
    await userEvent.clear(screen.getByLabelText('At time (@)'));
    await userEvent.type(screen.getByLabelText('At time (@)'), 'now{Enter}');
    expect(screen.getByText('Write start(), end(), or seconds since 1970.')).toBeInTheDocument();
    await userEvent.clear(screen.getByLabelText('At time (@)'));
    await userEvent.tab();
    expect(editor.query().expr).toBe('rate(a[5m] offset -2d)');
    await settle();
  });

  test('shows the labels of a group as a field, and keeps them when others change', async () => {
    const editor = builder({ expr: 'a * on (job) group_left (version) b' });
    expect(screen.getByRole('combobox', { name: 'Match' })).toHaveValue('on');
    expect(screen.getByRole('combobox', { name: 'Series that meet' })).toHaveValue('many to one');
    await userEvent.type(screen.getByLabelText('Labels to match'), ', instance{Enter}');
    expect(editor.query().expr).toBe('a * on (job, instance) group_left (version) b');
    await userEvent.type(screen.getByLabelText('Take over'), ', commit{Enter}');
    expect(editor.query().expr).toBe('a * on (job, instance) group_left (version, commit) b');
  });

  test('shows a query that was saved as parts as parts, and saves it as a text once it is changed', async () => {
    const editor = open({ metricName: 'hits_total', aggregation: 'sum', labels: { job: 'shop' } });
    expect(radio('Builder')).toBeChecked();
    expect(screen.getByLabelText('Metric')).toHaveValue('hits_total');
    expect(sent()).toBe('sum(hits_total{job="shop"})');
    expect(editor.query()).toEqual({
      refId: 'A',
      metricName: 'hits_total',
      aggregation: 'sum',
      labels: { job: 'shop' },
    });
    await userEvent.click(screen.getByRole('button', { name: 'Remove this step' }));
    expect(editor.query()).toMatchObject({ expr: 'hits_total{job="shop"}' });
    expect(editor.query().metricName).toBeUndefined();
    expect(editor.query().aggregation).toBeUndefined();
    await settle();
  });

  test('leaves a text that it cannot show as it is, and says why', async () => {
    const editor = open({ expr: 'up # all', editorMode: 'code' });
    await userEvent.click(radio('Builder'));
    expect(screen.getByText(/has a comment/)).toBeInTheDocument();
    expect(expression()).toHaveValue('up # all');
    expect(editor.query()).toMatchObject({ expr: 'up # all' });
  });

  test('changes no text by being looked at', async () => {
    const editor = open({ expr: "sum(up{a='b'})  by (job)", editorMode: 'code' });
    await userEvent.click(radio('Builder'));
    await userEvent.click(radio('Code'));
    expect(editor.query().expr).toBe("sum(up{a='b'})  by (job)");
  });
});

test('a hint’s button mends the query', async () => {
  const editor = open({ expr: 'hits_total', editorMode: 'code' });
  await userEvent.click(await screen.findByRole('button', { name: 'Add rate()' }));
  expect(editor.ran).toMatchObject([{ expr: 'rate(hits_total[$__rate_interval])' }]);
});

test('a metric that is scraped less often than configured gets a window of its own by a click', async () => {
  const asked: string[] = [];
  getResource.mockImplementation(async (path: string, { query = '' }: { query?: string } = {}) => {
    if (path !== 'api/v1/query') {
      return RESOURCES[path];
    }
    asked.push(query);
    const series = { metric: { job: 'shop' }, values: [0, 60, 120, 180].map((time) => [time, '1']) };
    return { status: 'success', data: { result: [series] } };
  });
  const editor = open({ expr: 'rate(hits_total{job="shop", a="$a"}[$__rate_interval])', editorMode: 'code' });
  await userEvent.click(await screen.findByRole('button', { name: 'Use 4m' }));
  expect(asked.slice(0, 2)).toEqual(['topk(1, timestamp(hits_total{job="shop"}))', 'hits_total{job="shop"}[15m]']);
  expect(editor.ran).toMatchObject([{ expr: 'rate(hits_total{job="shop", a="$a"}[4m])' }]);
  expect(screen.queryByText(/gives smooth rates/)).not.toBeInTheDocument();
  await settle();
});

test('a query is explained in words when that is asked for', async () => {
  open({ expr: 'sum by (job) (up)', editorMode: 'code' });
  expect(screen.queryByRole('region', { name: 'Explanation' })).not.toBeInTheDocument();
  await userEvent.click(screen.getByRole('switch', { name: /Explain/ }));
  expect(screen.getByRole('region', { name: 'Explanation' })).toHaveTextContent('Sum for each job.');
});

test('a long query is set over several lines by a button', async () => {
  const long = `sum(${'a_long_name + '.repeat(9)}b)`;
  const editor = open({ expr: long, editorMode: 'code' });
  await userEvent.click(screen.getByRole('button', { name: 'Format' }));
  expect(editor.query().expr).toContain('\n');
});
