import type { DataSourceSettings } from '@grafana/data';
import { render, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';

import type { DataSourceOptions, SecureOptions } from '../types';
import ConfigEditor from './ConfigEditor';

type Settings = DataSourceSettings<DataSourceOptions, SecureOptions>;

/** Shows the editor as Grafana does, which hands every change back in, and returns the newest settings. */
function open(change: Partial<Settings> = {}): () => Settings {
  let newest = {
    id: 1,
    uid: 'hw',
    url: '',
    readOnly: false,
    jsonData: {},
    secureJsonFields: {},
    ...change,
  } as Settings;
  function Page() {
    const [options, setOptions] = useState(newest);
    return (
      <ConfigEditor
        options={options}
        onOptionsChange={(changed) => {
          newest = changed;
          setOptions(changed);
        }}
      />
    );
  }
  render(<Page />);
  return () => newest;
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
  await userEvent.type(screen.getByLabelText(/Metrics page URL/), 'http://wiki:8000/metrics');
  expect(settings().url).toBe('http://wiki:8000/metrics');
});

test('an address without a scheme is called wrong once it has been left', async () => {
  open();
  const address = screen.getByLabelText(/Metrics page URL/);
  await userEvent.type(address, 'localhost:8080');
  expect(screen.queryByRole('alert')).not.toBeInTheDocument();
  await userEvent.tab();
  expect(screen.getByRole('alert')).toHaveTextContent('http://localhost:8080');
});

test('a metrics page given as a server’s address brings a hint', () => {
  open({ url: 'http://wiki:8000/metrics', jsonData: { engine: 'remote' } });
  expect(screen.getByRole('status')).toHaveTextContent('Scrape the app directly');
});

test('other settings survive a change', async () => {
  const jsonData = { engine: 'remote', httpMethod: 'GET' } as DataSourceOptions;
  const settings = open({ jsonData });
  await userEvent.click(screen.getByRole('switch', { name: /Skip TLS/ }));
  expect(settings().jsonData).toEqual({ engine: 'remote', httpMethod: 'GET', tlsSkipVerify: true });
});

test('the scrape interval is saved, and gone when emptied', async () => {
  const settings = open();
  const interval = screen.getByLabelText(/Scrape interval/);
  await userEvent.type(interval, '30s');
  expect(settings().jsonData.timeInterval).toBe('30s');
  await userEvent.clear(interval);
  expect(settings().jsonData.timeInterval).toBeUndefined();
});

test('a scrape interval that is no duration is called wrong', async () => {
  open();
  await userEvent.type(screen.getByLabelText(/Scrape interval/), 'soon');
  expect(screen.getByRole('alert')).toHaveTextContent('15s');
});

test('the API key goes to the secrets and nowhere else', async () => {
  const settings = open();
  await userEvent.type(screen.getByLabelText(/API key/), 's3cret');
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

test('a provisioned data source can be read and not changed', async () => {
  const settings = open({
    readOnly: true,
    url: 'http://wiki:8000/metrics',
    jsonData: { engine: 'embedded' },
    secureJsonFields: { apiKey: true },
  });
  const before = settings();
  for (const radio of screen.getAllByRole('radio')) {
    expect(radio).toBeDisabled();
  }
  expect(screen.getByRole('switch')).toBeDisabled();
  expect(screen.queryByRole('button', { name: /reset/i })).not.toBeInTheDocument();
  await userEvent.type(screen.getByLabelText(/Metrics page URL/), 'x');
  await userEvent.type(screen.getByLabelText(/Scrape interval/), 'x');
  await userEvent.type(screen.getByLabelText(/API key/), 'x');
  expect(settings()).toBe(before);
});

test('the engine question names the group of its answers', () => {
  open();
  const group = screen.getByRole('group', { name: /Where do the metrics come from/ });
  expect(within(group).getAllByRole('radio')).toHaveLength(2);
});
