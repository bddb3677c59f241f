import type { DataSourceSettings } from '@grafana/data';
import { type BackendSrv, setBackendSrv } from '@grafana/runtime';
import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { of, throwError } from 'rxjs';

import { renderHeld } from '../../testing/held';
import { layOutLists } from '../../testing/list_layout';
import type { DataSourceOptions, SecureOptions } from '../types';
import ConfigEditor from './ConfigEditor';

type Settings = DataSourceSettings<DataSourceOptions, SecureOptions>;

const fetch = jest.fn();

beforeAll(() => {
  setBackendSrv({ fetch } as unknown as BackendSrv);
  layOutLists();
});

beforeEach(() => {
  fetch.mockReset();
  fetch.mockReturnValue(of({ data: {} }));
});

/** Shows the editor, and returns the newest settings. */
function open(change: Partial<Settings> = {}): () => Settings {
  const saved = {
    id: 1,
    uid: 'hw',
    type: 'headwater-metrics-datasource',
    url: '',
    version: 1,
    readOnly: false,
    jsonData: {},
    secureJsonFields: {},
    ...change,
  } as Settings;
  return renderHeld(saved, (options, onChange) => <ConfigEditor options={options} onOptionsChange={onChange} />);
}

/** Writes a text in one go: letter by letter each key draws the whole page again. */
function write(label: RegExp | string, text: string) {
  fireEvent.change(screen.getByLabelText(label), { target: { value: text } });
}

async function choose(label: RegExp | string, option: RegExp | string) {
  await userEvent.click(screen.getByLabelText(label));
  await userEvent.click(await screen.findByRole('option', { name: option }));
}

/** The choice of how to log in is an older component, whose menu opens by key. */
async function logInBy(method: string) {
  fireEvent.keyDown(screen.getByLabelText('Authentication method'), { key: 'ArrowDown' });
  await userEvent.click(await screen.findByText(method));
}

async function unfold(section: string) {
  await userEvent.click(screen.getByRole('button', { name: `Expand section ${section}` }));
}

test('a new data source scrapes the app directly', () => {
  open();
  expect(screen.getByRole('radio', { name: /Scrape the app directly/ })).toBeChecked();
  expect(screen.getByLabelText(/Metrics page URL/)).toBeInTheDocument();
});

test('choosing a server saves the engine and asks for the server’s address', async () => {
  const settings = open({ url: 'http://localhost:9090' });
  await userEvent.click(screen.getByRole('radio', { name: /Prometheus-compatible server/ }));
  expect(settings().jsonData.engine).toBe('remote');
  expect(screen.getByLabelText(/Server URL/)).toHaveValue('http://localhost:9090');
});

test('the address is saved as typed', async () => {
  const settings = open();
  write(/Metrics page URL/, 'http://wiki:8000/metrics');
  expect(settings().url).toBe('http://wiki:8000/metrics');
});

test('an address without a scheme is called wrong once it has been left', async () => {
  open();
  write(/Metrics page URL/, 'localhost:8080');
  expect(screen.queryByRole('alert')).not.toBeInTheDocument();
  fireEvent.blur(screen.getByLabelText(/Metrics page URL/));
  expect(screen.getByRole('alert')).toHaveTextContent('http://localhost:8080');
});

test('a metrics page given as a server’s address brings a hint', () => {
  open({ url: 'http://wiki:8000/metrics', jsonData: { engine: 'remote' } });
  expect(screen.getByRole('status')).toHaveTextContent('Scrape the app directly');
});

test('other settings survive a change', async () => {
  const jsonData: DataSourceOptions = { engine: 'remote', httpMethod: 'GET' };
  const settings = open({ jsonData });
  await userEvent.click(screen.getByLabelText('Skip TLS certificate validation'));
  expect(settings().jsonData).toEqual({ engine: 'remote', httpMethod: 'GET', tlsSkipVerify: true });
});

test('the scrape interval is saved, and gone when emptied', async () => {
  const settings = open();
  write(/Scrape interval/, '30s');
  expect(settings().jsonData.timeInterval).toBe('30s');
  write(/Scrape interval/, '');
  expect(settings().jsonData.timeInterval).toBeUndefined();
});

test('a scrape interval that is no duration is called wrong', async () => {
  open();
  write(/Scrape interval/, 'soon');
  expect(screen.getByRole('alert')).toHaveTextContent('15s');
});

test('the API key goes to the secrets and nowhere else', async () => {
  const settings = open();
  await logInBy('API key or bearer token');
  write(/API key/, 's3cret');
  expect(settings().secureJsonData?.apiKey).toBe('s3cret');
  expect(JSON.stringify({ ...settings(), secureJsonData: undefined })).not.toContain('s3cret');
});

test('a stored API key is not shown and can be reset', async () => {
  const settings = open({ secureJsonFields: { apiKey: true } });
  expect(screen.getByLabelText(/API key/)).toHaveValue('configured');
  await userEvent.click(screen.getByRole('button', { name: /reset/i }));
  expect(settings().secureJsonFields.apiKey).toBe(false);
  expect(screen.getByLabelText(/API key/)).toHaveValue('');
});

test('a token goes when another way to log in is chosen', async () => {
  const settings = open({ secureJsonFields: { apiKey: true } });
  await logInBy('Basic authentication');
  expect(settings()).toMatchObject({
    basicAuth: true,
    secureJsonFields: { apiKey: false },
    secureJsonData: { apiKey: '' },
  });
});

test('a provisioned data source can be read and not changed', async () => {
  const settings = open({
    readOnly: true,
    url: 'http://wiki:8000/metrics',
    jsonData: {
      engine: 'embedded',
      retention: '30d',
      targets: [{ url: 'http://shop:1', relabel: [{ action: 'drop', regex: 'a' }] }],
    },
    secureJsonFields: { apiKey: true },
  });
  const before = settings();
  await userEvent.click(screen.getByRole('button', { name: /shop/ }));
  for (const role of ['radio', 'textbox', 'combobox', 'switch', 'checkbox']) {
    for (const field of screen.queryAllByRole(role)) {
      expect(field).toBeDisabled();
    }
  }
  for (const name of [/reset/i, /Add a target/, /Remove target/]) {
    expect(screen.queryByRole('button', { name })).not.toBeInTheDocument();
  }
  expect(settings()).toBe(before);
});

test('the engine question names the group of its answers', () => {
  open();
  const group = screen.getByRole('group', { name: /Where do the metrics come from/ });
  expect(within(group).getAllByRole('radio')).toHaveLength(2);
});

describe('the embedded engine', () => {
  test('needs nothing but an address: no default is written into the settings', () => {
    const settings = open();
    write(/Metrics page URL/, 'http://wiki:8000');
    expect(settings().jsonData).toEqual({});
  });

  test('keeps samples as long and as much as is said', () => {
    const settings = open();
    write(/Keep for/, '30d');
    write(/At most/, '4GB');
    expect(settings().jsonData).toEqual({ retention: '30d', retentionSize: '4GB' });
    write(/Keep for/, '');
    expect(settings().jsonData).toEqual({ retentionSize: '4GB' });
  });

  test('a time or a size that cannot be read is called wrong', () => {
    open({ jsonData: { retention: 'long', retentionSize: 'much' } });
    const alerts = screen.getAllByRole('alert').map((alert) => alert.textContent);
    expect(alerts.join()).toMatch(/duration.*512MB/);
  });

  test('shows where the samples lie once it is saved', async () => {
    fetch.mockReturnValue(
      of({ data: { details: { dataDir: '/var/lib/grafana/headwater/1-hw', diskBytes: '2097152', series: '7' } } })
    );
    open({ version: 2, url: 'http://wiki' });
    expect(await screen.findByText('/var/lib/grafana/headwater/1-hw')).toBeVisible();
    expect(screen.getByText(/2.0 MiB on disk, 7 series/)).toBeVisible();
    // Nobody pressed a button, so nothing pops up.
    expect(fetch.mock.calls[0][0]).toMatchObject({
      url: '/api/datasources/uid/hw/health',
      showSuccessAlert: false,
      showErrorAlert: false,
    });
  });

  test('offers the next steps once it is saved, and not before', () => {
    open({ version: 2, url: 'http://wiki' });
    const links = within(screen.getByRole('region', { name: 'Next steps' })).getAllByRole('link');
    expect(links.map((link) => link.getAttribute('href'))).toEqual([
      expect.stringContaining('/explore?'),
      '/connections/datasources/edit/hw/dashboards',
      '/dashboard/new-with-ds/hw',
    ]);
  });
});

describe('trying a target', () => {
  const found = {
    ok: true,
    url: 'http://wiki:8000/metrics',
    targets: 1,
    dropped: 0,
    server: null,
    page: {
      format: 'prometheus-text',
      bytes: 10,
      refusal: null,
      series: 3,
      samples: 3,
      lost_samples: 0,
      metrics: [{ name: 'a_total', type: 'counter', help: 'Things done.', series: 3 }],
      metricCount: 1,
      findings: [{ rule: 'no-help', severity: 'advice', line: 4, metric: 'b', text: 'it has no help', times: 1 }],
      findingCount: 1,
    },
  };

  test('sends what stands in the editor, with typed secrets, and shows the metrics', async () => {
    fetch.mockReturnValue(of({ data: found }));
    open({ url: 'http://wiki:8000', jsonData: { scrapeTimeout: '5s' }, secureJsonData: { apiKey: 'typed' } });
    await userEvent.click(screen.getByRole('button', { name: /Try it/ }));
    expect(await screen.findByText('1 metrics, 3 series')).toBeVisible();
    expect(screen.getByRole('cell', { name: 'a_total' })).toBeVisible();
    expect(screen.getByRole('cell', { name: 'Things done.' })).toBeVisible();
    expect(screen.getByText(/it has no help/)).toBeVisible();
    expect(fetch.mock.calls[0][0]).toMatchObject({
      method: 'POST',
      url: '/api/datasources/uid/hw/resources/drafts/try',
      data: { url: 'http://wiki:8000', jsonData: { scrapeTimeout: '5s' }, secrets: { apiKey: 'typed' } },
    });
  });

  test('says what is wrong', async () => {
    fetch.mockReturnValue(of({ data: { ok: false, error: 'Cannot reach http://wiki:8000/metrics.' } }));
    open({ url: 'http://wiki:8000' });
    await userEvent.click(screen.getByRole('button', { name: /Try it/ }));
    expect(await screen.findByText('Cannot reach http://wiki:8000/metrics.')).toBeVisible();
  });

  test('says why it is refused', async () => {
    fetch.mockReturnValue(throwError(() => ({ status: 403, data: { message: 'only Admins' } })));
    open({ url: 'http://wiki:8000' });
    await userEvent.click(screen.getByRole('button', { name: /Try it/ }));
    expect(await screen.findByText('only Admins')).toBeVisible();
  });

  test('a Prometheus server’s own page brings the offer to query it instead', async () => {
    fetch.mockReturnValue(of({ data: { ...found, server: 'Prometheus' } }));
    const settings = open({ url: 'http://prom:9090/metrics' });
    await userEvent.click(screen.getByRole('button', { name: /Try it/ }));
    await userEvent.click(await screen.findByRole('button', { name: 'Query the server instead' }));
    expect(settings()).toMatchObject({ url: 'http://prom:9090', jsonData: { engine: 'remote' } });
  });
});

describe('further targets', () => {
  async function withTarget() {
    const settings = open({ url: 'http://wiki' });
    await unfold('More targets');
    await userEvent.click(screen.getByRole('button', { name: 'Add a target' }));
    return settings;
  }

  test('are added, filled in, and removed with their secrets', async () => {
    const settings = await withTarget();
    write(/Target URL/, 'http://shop:9100');
    write(/^Labels/, 'team=shop, env=test');
    expect(settings().jsonData.targets).toEqual([{ url: 'http://shop:9100', labels: { team: 'shop', env: 'test' } }]);
    await choose(/^Access/, 'User and password');
    write(/^User/, 'me');
    write(/^Password/, 's3cret');
    expect(settings().jsonData.targets).toEqual([
      expect.objectContaining({ basicAuth: { username: 'me', passwordSecret: 'target1Password' } }),
    ]);
    expect(settings().secureJsonData).toEqual({ target1Password: 's3cret' });
    expect(JSON.stringify(settings().jsonData)).not.toContain('s3cret');
    await userEvent.click(screen.getByRole('button', { name: 'Remove target' }));
    expect(settings().jsonData.targets).toBeUndefined();
  });

  test('are found by DNS with the port that such records lack', async () => {
    const settings = await withTarget();
    await choose(/^Found by/, /DNS name/);
    write(/^Names/, 'tasks.wiki, tasks.shop');
    write(/^Port/, '8000');
    expect(settings().jsonData.targets).toEqual([
      { dns: { names: ['tasks.wiki', 'tasks.shop'], type: 'A', port: 8000 } },
    ]);
  });

  test('are found in files', async () => {
    const settings = await withTarget();
    await choose(/^Found by/, /File/);
    write(/^Files/, '/etc/headwater/*.yml');
    expect(settings().jsonData.targets).toEqual([{ file: { paths: ['/etc/headwater/*.yml'] } }]);
  });

  test('an entry of the list is tried by its place in it', async () => {
    fetch.mockReturnValue(of({ data: { ok: false, error: 'no' } }));
    open({ jsonData: { targets: ['http://a', { url: 'http://b' }] } });
    await userEvent.click(screen.getByRole('button', { name: 'http://b' }));
    await userEvent.click(screen.getByRole('button', { name: /Try it/ }));
    await screen.findByText('no');
    expect(fetch.mock.calls[0][0].data).toMatchObject({ entry: 1 });
  });

  test('keys that the editor does not know survive', async () => {
    const settings = open({ jsonData: { targets: [{ url: 'http://a', honorLabels: true }] } });
    await userEvent.click(screen.getByRole('button', { name: 'http://a' }));
    write(/^Job name/, 'shop');
    expect(settings().jsonData.targets).toEqual([{ url: 'http://a', honorLabels: true, job: 'shop' }]);
  });

  test('rules are read by the backend, and mistakes are shown with their lines', async () => {
    const settings = open({
      jsonData: { targets: [{ url: 'http://a', relabel: [{ action: 'drop', source_labels: ['x'], regex: 'z' }] }] },
    });
    await userEvent.click(screen.getByRole('button', { name: 'http://a' }));
    const field = screen.getByLabelText(/^Relabelling of targets/);
    expect(field).toHaveValue('- action: drop\n  source_labels: [x]\n  regex: z\n');

    fetch.mockReturnValue(of({ data: { mistakes: [{ line: 2, reason: 'regex: it is unclosed' }] } }));
    fireEvent.change(field, { target: { value: '- action: keep\n  regex: (\n' } });
    expect(await screen.findByText('Line 2: regex: it is unclosed')).toBeVisible();
    expect(settings().jsonData.targets).toEqual([
      expect.objectContaining({ relabel: [expect.objectContaining({ action: 'drop' })] }),
    ]);

    fetch.mockReturnValue(of({ data: { rules: [{ action: 'keep', regex: 'a' }] } }));
    fireEvent.change(field, { target: { value: '- action: keep\n  regex: a\n' } });
    await waitFor(() =>
      expect(settings().jsonData.targets).toEqual([{ url: 'http://a', relabel: [{ action: 'keep', regex: 'a' }] }])
    );
    expect(screen.queryByText(/Line 2/)).not.toBeInTheDocument();
  });
});

describe('the remote engine', () => {
  const remote: Partial<Settings> = { url: 'http://prom:9090', jsonData: { engine: 'remote' } };

  test('is told its method, timeout and parameters', async () => {
    const settings = open(remote);
    await choose(/^HTTP method/, 'GET');
    write(/Query timeout/, '60s');
    write(/Custom query parameters/, 'dedup=true');
    expect(settings().jsonData).toEqual({
      engine: 'remote',
      httpMethod: 'GET',
      queryTimeout: '60s',
      customQueryParameters: 'dedup=true',
    });
  });

  test('keeps an old answer only where that is switched on', async () => {
    const settings = open(remote);
    await unfold('Cache and limits');
    expect(screen.queryByLabelText(/Overlap/)).not.toBeInTheDocument();
    await userEvent.click(screen.getByLabelText(/Incremental querying/));
    write(/Overlap/, '5m');
    expect(settings().jsonData).toMatchObject({ incrementalQuerying: true, incrementalQueryOverlapWindow: '5m' });
  });

  test('links exemplars to the pages of their traces', async () => {
    const settings = open({
      ...remote,
      jsonData: { engine: 'remote', exemplarTraceIdDestinations: [{ name: 'traceID', url: '' }] },
    });
    write(/^URL/, 'https://t/${__value.raw}');
    expect(settings().jsonData.exemplarTraceIdDestinations).toEqual([
      { name: 'traceID', url: 'https://t/${__value.raw}' },
    ]);
    await userEvent.click(screen.getByRole('button', { name: 'Remove link' }));
    expect(settings().jsonData.exemplarTraceIdDestinations).toBeUndefined();
  });
});

test('the bounds of a remote answer and of its queue say what holds, and can be set', async () => {
  const newest = open({ url: 'http://prom:9090', jsonData: { engine: 'remote' } });
  await unfold('Cache and limits');
  const bounds = { 'Queries that wait': '1000', 'Bytes of an answer': '2147483648', 'Series of an answer': '100000' };
  for (const [label, initial] of Object.entries(bounds)) {
    expect(screen.getByLabelText(new RegExp(label))).toHaveAttribute('placeholder', initial);
    write(new RegExp(label), '7');
  }
  expect(newest().jsonData).toMatchObject({ maxQueuedQueries: '7', maxResponseBytes: '7', maxSeries: '7' });
  write(/Series of an answer/, '');
  expect(newest().jsonData).not.toHaveProperty('maxSeries');
});
