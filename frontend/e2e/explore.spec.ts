import { expect, screenshotPath, test } from './surroundings';

test('Explore asks for both types at first, and shows a graph and a table', async ({
  remoteDataSource,
  explorePage,
  page,
}) => {
  await explorePage.datasource.set(remoteDataSource.name);
  await expect(page.getByRole('radio', { name: 'Both' })).toBeChecked();
  const answered = explorePage.waitForQueryDataResponse();
  await page.getByRole('radio', { name: 'Code' }).click();
  await page.getByLabel('PromQL').fill('up{job="prometheus"}');
  await page.getByLabel('PromQL').press('Shift+Enter');
  await expect(answered).toBeOK();
  const sent = (await answered).request().postDataJSON();
  expect(sent.queries.map(({ refId }: { refId: string }) => refId)).toEqual(['A', 'A-Instant']);
  await expect(explorePage.timeSeriesPanel.locator).toBeVisible();
  // Grafana's Explore shows an instant vector in its own view of one: a list, and a table beside it.
  const table = page.getByRole('radio', { name: 'Table', exact: true }).last();
  await table.scrollIntoViewIfNeeded();
  await page.screenshot({ path: screenshotPath('explore-raw') });
  await table.check({ force: true });
  await expect(
    page
      .getByRole('gridcell', { name: 'prometheus', exact: true })
      .or(page.getByRole('cell', { name: 'prometheus', exact: true }))
  ).toBeVisible();
  await page.screenshot({ path: screenshotPath('explore-both') });
});
