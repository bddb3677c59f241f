import { expect } from '@grafana/plugin-e2e';

import { EXPORTER_URL, NOBODY_URL, PLUGIN_ID, PROMETHEUS_URL, screenshotPath, signedIn as test } from './surroundings';

test('a server’s address is all it takes to add a data source', async ({ createDataSourceConfigPage, page }) => {
  const configPage = await createDataSourceConfigPage({ type: PLUGIN_ID });
  await expect(page.getByRole('radio', { name: /Scrape the app directly/ })).toBeChecked();
  await page.getByText('Query a Prometheus-compatible server').click();
  await page.getByLabel(/Server URL/).fill(PROMETHEUS_URL);
  await expect(configPage.saveAndTest()).toBeOK();
  await expect(configPage).toHaveAlert('success');
  await page.screenshot({ path: screenshotPath('config-remote-good'), fullPage: true });
});

test('a server that cannot be reached is named, with the reason', async ({ createDataSourceConfigPage, page }) => {
  const configPage = await createDataSourceConfigPage({ type: PLUGIN_ID });
  await page.getByText('Query a Prometheus-compatible server').click();
  await page.getByLabel(/Server URL/).fill(NOBODY_URL);
  await expect(configPage.saveAndTest()).not.toBeOK();
  await expect(configPage).toHaveAlert('error', { hasText: '127.0.0.1:9' });
  await page.screenshot({ path: screenshotPath('config-remote-unreachable'), fullPage: true });
});

test('an API key is stored, hidden, and can be replaced', async ({ createDataSourceConfigPage, page }) => {
  const configPage = await createDataSourceConfigPage({ type: PLUGIN_ID });
  await page.getByText('Query a Prometheus-compatible server').click();
  await page.getByLabel(/Server URL/).fill(PROMETHEUS_URL);
  await page.getByLabel('Authentication method').click();
  await page.getByText('API key or bearer token', { exact: true }).click();
  await page.getByLabel(/API key or token/).fill('a-key-for-this-test');
  await expect(configPage.saveAndTest()).toBeOK();
  await page.reload();
  await expect(page.getByLabel(/API key or token/)).toHaveValue('configured');
  await expect(page.getByLabel(/API key or token/)).toBeDisabled();
  await page.getByRole('button', { name: 'Reset' }).click();
  await expect(page.getByLabel(/API key or token/)).toBeEditable();
});

test('an address without a scheme is corrected before it is saved', async ({ createDataSourceConfigPage, page }) => {
  await createDataSourceConfigPage({ type: PLUGIN_ID });
  await page.getByLabel(/Metrics page URL/).fill('localhost:8080/metrics');
  await page.getByLabel(/Scrape interval/).focus();
  await expect(page.getByText('For example: http://localhost:8080/metrics')).toBeVisible();
});

test('an app’s address is all it takes to scrape it, and the next steps are there', async ({
  createDataSourceConfigPage,
  page,
}) => {
  const configPage = await createDataSourceConfigPage({ type: PLUGIN_ID });
  await page.getByLabel(/Metrics page URL/).fill(EXPORTER_URL);
  await page.getByRole('button', { name: 'Try it' }).click();
  await expect(page.getByText(/\d+ metrics, \d+ series/)).toBeVisible();
  await expect(
    page.getByRole('cell', { name: 'node_cpu_seconds_total' }).or(page.getByRole('button', { name: /more metrics/ }))
  ).toBeVisible();
  await page.screenshot({ path: screenshotPath('config-embedded-try'), fullPage: true });
  await expect(configPage.saveAndTest()).toBeOK();
  await expect(configPage).toHaveAlert('success');
  await page.reload();
  await expect(page.getByRole('region', { name: 'Next steps' }).getByRole('link')).toHaveCount(3);
  await expect(page.getByText(/MiB on disk/)).toBeVisible();
  await page.screenshot({ path: screenshotPath('config-embedded-saved'), fullPage: true });
});

test('a target that cannot be reached says so, saved or not', async ({ createDataSourceConfigPage, page }) => {
  const configPage = await createDataSourceConfigPage({ type: PLUGIN_ID });
  await page.getByLabel(/Metrics page URL/).fill(`${NOBODY_URL}/metrics`);
  await page.getByRole('button', { name: 'Try it' }).click();
  await expect(page.getByText(/Cannot reach .*127\.0\.0\.1:9/)).toBeVisible();
  await expect(configPage.saveAndTest()).not.toBeOK();
  await expect(configPage).toHaveAlert('error', { hasText: '127.0.0.1:9' });
  await page.screenshot({ path: screenshotPath('config-embedded-unreachable'), fullPage: true });
});

test('rules with a mistake are refused with its line', async ({ createDataSourceConfigPage, page }) => {
  await createDataSourceConfigPage({ type: PLUGIN_ID });
  await page.getByRole('button', { name: 'Expand section More targets' }).click();
  await page.getByRole('button', { name: 'Add a target' }).click();
  await page.getByLabel(/Relabelling of metrics/).fill('- action: drop\n  source_labels: [__name__]\n  regex: (\n');
  await expect(page.getByText(/Line 3: regex/)).toBeVisible();
  await page.screenshot({ path: screenshotPath('config-rules'), fullPage: true });
});

test('a provisioned data source is shown and cannot be changed', async ({ gotoDataSourceConfigPage, page }) => {
  await gotoDataSourceConfigPage('headwater');
  await expect(page.getByLabel(/Metrics page URL/)).toBeDisabled();
  await expect(page.getByRole('radio', { name: /Scrape the app directly/ })).toBeDisabled();
  await expect(page.getByRole('button', { name: 'Add a target' })).toHaveCount(0);
  await page.screenshot({ path: screenshotPath('config-provisioned'), fullPage: true });
});
