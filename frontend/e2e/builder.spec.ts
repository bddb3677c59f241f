import { expect, screenshotPath, test } from './surroundings';

test('a counter is found by a few letters and shown as its rate', async ({ remoteDataSource, page, panelEditPage }) => {
  await panelEditPage.datasource.set(remoteDataSource.name);
  await page.getByLabel('Metric', { exact: true }).fill('http requests');
  const option = page.getByRole('option', { name: /prometheus_http_requests_total.*counter/ });
  await expect(option).toBeVisible();
  // However low the field stands, the whole list is in sight.
  await expect(page.getByRole('listbox', { name: 'Metrics' })).toBeInViewport({ ratio: 1 });
  await page.screenshot({ path: screenshotPath('builder-metrics') });
  await option.click();
  await expect(page.getByTestId('headwater-raw-query')).toHaveText(
    'rate(prometheus_http_requests_total[$__rate_interval])'
  );
  await page.getByRole('button', { name: 'Add a label filter' }).click();
  await page.getByRole('combobox', { name: 'Label 1' }).click();
  await page.getByRole('option', { name: 'handler' }).click();
  await page.getByRole('combobox', { name: 'Value 1' }).fill('/metrics');
  await page.getByRole('option', { name: '/metrics' }).first().click();
  const answered = panelEditPage.waitForQueryDataResponse();
  await page.getByRole('button', { name: 'Run query' }).click();
  await expect(answered).toBeOK();
  await page.getByText('Explain', { exact: true }).click();
  await expect(page.getByRole('region', { name: 'Explanation' })).toContainText('handler is “/metrics”');
  await page.screenshot({ path: screenshotPath('builder') });
  await page.getByRole('radio', { name: 'Code' }).click();
  await expect(page.getByLabel('PromQL')).toContainText('prometheus_http_requests_total{handler="/metrics"}');
  await page.screenshot({ path: screenshotPath('code') });
});

// In the first two the builder beside the panel's options has no room for metric and filter on one line.
for (const width of [1300, 1400, 1900]) {
  test(`a filter that is added moves no row of a builder in a window ${width} wide`, async ({
    remoteDataSource,
    page,
    panelEditPage,
  }) => {
    await page.setViewportSize({ width, height: 900 });
    await panelEditPage.datasource.set(remoteDataSource.name);
    const editor = page.getByTestId('headwater-query-editor');
    const tops = () =>
      editor.evaluate((element) =>
        [...element.querySelectorAll('label')]
          .filter(({ textContent }) => /^(Metric|Label filters|Offset|At time)/.test(textContent ?? ''))
          .map((label) => label.getBoundingClientRect().top - element.getBoundingClientRect().top)
      );
    const before = await tops();
    expect(before).toHaveLength(4);
    // The line of the fields behind the filters may come lower, by the filters' own height alone.
    const [metric, filters] = before;
    await page.getByRole('button', { name: 'Add a label filter' }).click();
    await expect(page.getByRole('combobox', { name: 'Value 1' })).toBeVisible();
    expect(await tops()).toEqual(before);
    await page.getByRole('button', { name: 'Add a label filter' }).click();
    await expect(page.getByRole('combobox', { name: 'Value 2' })).toBeVisible();
    expect((await tops()).slice(0, 2)).toEqual([metric, filters]);
    await page.screenshot({ path: screenshotPath(`builder-filters-${width}`) });
  });
}

test('the code editor completes, and marks a mistake at its place', async ({
  remoteDataSource,
  page,
  panelEditPage,
}) => {
  await panelEditPage.datasource.set(remoteDataSource.name);
  await page.getByRole('radio', { name: 'Code' }).click();
  await page.getByLabel('PromQL').click();
  await page.keyboard.type('prometheus_build_');
  const list = page.locator('.cm-tooltip-autocomplete');
  await expect(list).toContainText('prometheus_build_info');
  // Whoever runs a query has typed it to its end.
  await page.keyboard.press('Shift+Enter');
  await expect(list).toHaveCount(0);
  await page.keyboard.type('i');
  await expect(list).toContainText('prometheus_build_info');
  await page.screenshot({ path: screenshotPath('code-completion') });
  await page.keyboard.press('Tab');
  await expect(page.getByLabel('PromQL')).toContainText('prometheus_build_info');
  await page.keyboard.type(' + rat(up)');
  await expect(page.locator('.cm-lintRange-error')).toHaveText('rat');
});
