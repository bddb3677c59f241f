import { expect, screenshotPath, test } from './surroundings';

test('a typed query runs by Shift-Enter and the panel shows its series', async ({
  remoteDataSource,
  page,
  panelEditPage,
}) => {
  await panelEditPage.datasource.set(remoteDataSource.name);
  await panelEditPage.toggleTableView();
  const answered = panelEditPage.waitForQueryDataResponse();
  await page.getByRole('radio', { name: 'Code' }).click();
  await page.getByLabel('PromQL').fill('up{job="prometheus"}');
  await page.getByLabel('PromQL').press('Shift+Enter');
  await expect(answered).toBeOK();
  await expect(panelEditPage.panel.fieldNames).toContainText(['Time']);
  await expect(panelEditPage.panel.data).toContainText(['1']);
});

test('a legend template names the series', async ({ remoteDataSource, page, panelEditPage, selectors }) => {
  await panelEditPage.datasource.set(remoteDataSource.name);
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

test('a mistake in a query is reported in the panel', async ({ remoteDataSource, page, panelEditPage }) => {
  await panelEditPage.datasource.set(remoteDataSource.name);
  const answered = panelEditPage.waitForQueryDataResponse((response) => response.status() >= 400);
  await page.getByRole('radio', { name: 'Code' }).click();
  await page.getByLabel('PromQL').fill('sum(');
  await page.getByRole('button', { name: 'Run query' }).click();
  await answered;
  await expect(panelEditPage.panel.getErrorIcon()).toBeVisible();
  await page.screenshot({ path: screenshotPath('panel-parse-error') });
});
