/** The metrics browser in code mode: from a metric's name to a selector, in Explore and in a panel. */
import type { Locator } from '@playwright/test';

import { expect, screenshotPath, test, THEMES } from './surroundings';

/** No list is cut at a side: they share the width that there is. */
async function expectAllListsInSight(browser: Locator) {
  await expect(async () => {
    const cut = await browser.evaluate(
      (element) => [...element.children].filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth).length
    );
    expect(cut).toBe(0);
  }).toPass();
}

test('Explore’s browser leads from a metric over its labels and values to a query', async ({
  remoteDataSource,
  explorePage,
  page,
}) => {
  await explorePage.datasource.set(remoteDataSource.name);
  await page.getByRole('radio', { name: 'Code' }).click();
  await page.getByRole('button', { name: 'Metrics browser' }).click();
  const browser = page.getByRole('region', { name: 'Metrics browser' });
  await expect(browser.getByText(/of [\d,]+ metrics, the best 100 shown/)).toBeVisible();
  await browser.getByRole('combobox', { name: 'Search metrics' }).fill('http requests total');
  await browser.getByRole('option', { name: /prometheus_http_requests_total.*counter/ }).click();
  await browser.getByRole('option', { name: 'handler', exact: true }).click();
  await browser.getByRole('option', { name: 'code', exact: true }).click();
  await browser.getByRole('combobox', { name: 'Search values of handler' }).fill('METRICS');
  // The server has compared: other handlers are not there.
  await expect(browser.getByRole('option', { name: '/-/ready' })).toHaveCount(0);
  await browser.getByRole('option', { name: '/metrics', exact: true }).click();
  await browser.getByRole('option', { name: '200', exact: true }).click();
  const selector = 'prometheus_http_requests_total{handler="/metrics", code="200"}';
  await expect(browser.getByRole('status', { name: 'Selector' })).toHaveText(selector);
  await browser.getByRole('button', { name: 'Count series' }).click();
  await expect(browser.getByText('Series now: 1', { exact: true })).toBeVisible();
  await expectAllListsInSight(browser);
  await page.screenshot({ path: screenshotPath('metrics-browser-explore') });
  const answered = explorePage.waitForQueryDataResponse();
  await browser.getByRole('button', { name: 'Use as rate query' }).click();
  await expect(answered).toBeOK();
  const { expr } = (await answered).request().postDataJSON().queries[0];
  expect(expr).toBe(`rate(${selector}[$__rate_interval])`);
  await expect(browser).toHaveCount(0);
});

for (const theme of THEMES) {
  test.describe(`in the ${theme} theme`, () => {
    test.use({ theme });

    test('a panel’s browser starts from its query', async ({ remoteDataSource, panelEditPage, page }) => {
      await panelEditPage.datasource.set(remoteDataSource.name);
      await page.getByRole('radio', { name: 'Code' }).click();
      await page.getByLabel('PromQL').fill('sum(up{job="node"})');
      await page.getByLabel('PromQL').press('Shift+Enter');
      await page.getByRole('button', { name: 'Metrics browser' }).click();
      const browser = page.getByRole('region', { name: 'Metrics browser' });
      await expect(browser.getByRole('status', { name: 'Selector' })).toHaveText('up{job="node"}');
      await browser.getByRole('option', { name: 'prometheus', exact: true }).click();
      await expectAllListsInSight(browser);
      await page.screenshot({ path: screenshotPath(`metrics-browser-${theme}`) });
      const answered = panelEditPage.waitForQueryDataResponse();
      await browser.getByRole('button', { name: 'Use query' }).click();
      await expect(answered).toBeOK();
      expect((await answered).request().postDataJSON().queries[0].expr).toBe('up{job=~"node|prometheus"}');
    });
  });
}
