import { expect, test } from '@grafana/plugin-e2e';

import { NOBODY_URL, PLUGIN_ID, PROMETHEUS_URL, screenshotPath } from './surroundings';

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
  await page.getByLabel('API key or token').fill('a-key-for-this-test');
  await expect(configPage.saveAndTest()).toBeOK();
  await page.reload();
  await expect(page.getByLabel('API key or token')).toHaveValue('configured');
  await expect(page.getByLabel('API key or token')).toBeDisabled();
  await page.getByRole('button', { name: 'Reset' }).click();
  await expect(page.getByLabel('API key or token')).toBeEditable();
});

test('an address without a scheme is corrected before it is saved', async ({ createDataSourceConfigPage, page }) => {
  await createDataSourceConfigPage({ type: PLUGIN_ID });
  await page.getByLabel(/Metrics page URL/).fill('localhost:8080/metrics');
  await page.getByLabel(/Scrape interval/).focus();
  await expect(page.getByText('For example: http://localhost:8080/metrics')).toBeVisible();
});

test('the config editor has no accessibility violations', async ({
  createDataSourceConfigPage,
  page,
  scanForA11yViolations,
}) => {
  await createDataSourceConfigPage({ type: PLUGIN_ID });
  await expect(page.getByLabel(/Metrics page URL/)).toBeVisible();
  const found = await scanForA11yViolations({ include: '[data-testid="headwater-config-editor"]' });
  expect(found).toHaveNoA11yViolations();
});
