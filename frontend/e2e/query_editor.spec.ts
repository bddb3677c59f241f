import { expect, test } from '@grafana/plugin-e2e';

import { PLUGIN_ID, PROMETHEUS_URL, screenshotPath } from './surroundings';

let dataSource: { uid: string; name: string };

// A page lists the data sources that were there when it was loaded, so this comes before the page.
test.beforeEach(async ({ createDataSource }) => {
  dataSource = await createDataSource({
    type: PLUGIN_ID,
    url: PROMETHEUS_URL,
    access: 'proxy',
    jsonData: { engine: 'remote', timeInterval: '15s' },
  });
});

test.afterEach(async ({ request }) => {
  await request.delete(`/api/datasources/uid/${dataSource.uid}`);
});

test('a typed query runs by Shift-Enter and the panel shows its series', async ({ page, panelEditPage }) => {
  await panelEditPage.datasource.set(dataSource.name);
  await panelEditPage.toggleTableView();
  const answered = panelEditPage.waitForQueryDataResponse();
  await page.getByRole('radio', { name: 'Code' }).click();
  await page.getByLabel('PromQL').fill('up{job="prometheus"}');
  await page.getByLabel('PromQL').press('Shift+Enter');
  await expect(answered).toBeOK();
  await expect(panelEditPage.panel.fieldNames).toContainText(['Time']);
  await expect(panelEditPage.panel.data).toContainText(['1']);
});

test('a legend template names the series', async ({ page, panelEditPage, selectors }) => {
  await panelEditPage.datasource.set(dataSource.name);
  await page.getByRole('radio', { name: 'Code' }).click();
  await page.getByLabel('PromQL').fill('up{job="prometheus"}');
  await page.getByLabel('PromQL').press('Shift+Enter');
  await page.getByRole('radio', { name: 'Custom' }).click();
  const answered = panelEditPage.waitForQueryDataResponse();
  await page.getByLabel('Legend template').fill('job is {{job}}');
  await page.getByLabel('Legend template').press('Enter');
  await expect(answered).toBeOK();
  await expect(
    panelEditPage.getByGrafanaSelector(selectors.components.VizLegend.seriesName('job is prometheus'))
  ).toBeVisible();
  await page.screenshot({ path: screenshotPath('panel-legend') });
});

test('a mistake in a query is reported in the panel', async ({ page, panelEditPage }) => {
  await panelEditPage.datasource.set(dataSource.name);
  const answered = panelEditPage.waitForQueryDataResponse((response) => response.status() >= 400);
  await page.getByRole('radio', { name: 'Code' }).click();
  await page.getByLabel('PromQL').fill('sum(');
  await page.getByRole('button', { name: 'Run query' }).click();
  await answered;
  await expect(panelEditPage.panel.getErrorIcon()).toBeVisible();
  await page.screenshot({ path: screenshotPath('panel-parse-error') });
});
