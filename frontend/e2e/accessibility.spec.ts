/** What axe finds in the editors, in both themes: names, roles, contrast. */
import type { Locator } from '@playwright/test';

import { expect, PLUGIN_ID, screenshotPath, test, THEMES } from './surroundings';

const QUERY_EDITOR = '[data-testid="headwater-query-editor"]';
const CONFIG_EDITOR = '[data-testid="headwater-config-editor"]';
const VARIABLE_EDITOR = '[data-testid="headwater-variable-editor"]';
const ANNOTATION_EDITOR = '[data-testid="headwater-annotation-editor"]';
const HELP = '[data-testid="headwater-query-help"]';

/** The arrow of Grafana's own list of several choices has an attribute that its element may not have. */
const NOT_OURS = ['[id^="downshift-"][id$="-toggle-button"]'];

/** A part that moves in or out is half transparent until it stands. */
async function standsStill(part: Locator) {
  await part.evaluate((element) =>
    Promise.all(element.getAnimations({ subtree: true }).map(({ finished }) => finished))
  );
}

for (const theme of THEMES) {
  test.describe(`in the ${theme} theme`, () => {
    test.use({ theme });

    test('the builder has no violations', async ({ remoteDataSource, panelEditPage, page, scanForA11yViolations }) => {
      // High enough for a picture of the whole editor.
      await page.setViewportSize({ width: 1400, height: 3000 });
      await panelEditPage.datasource.set(remoteDataSource.name);
      await page.getByRole('radio', { name: 'Code' }).click();
      await page
        .getByLabel('PromQL')
        .fill(
          'sum by (job) (rate(prometheus_http_requests_total{code="200"}[20s] offset 1m)) * on (job) group_left () up'
        );
      await page.getByLabel('PromQL').press('Shift+Enter');
      await page.getByRole('radio', { name: 'Builder' }).click();
      await expect(page.getByLabel('Take over')).toBeVisible();
      await page.getByText('Explain', { exact: true }).click();
      await expect(page.getByRole('region', { name: 'Explanation' })).toBeVisible();
      await standsStill(page.locator(QUERY_EDITOR));
      await page.locator(QUERY_EDITOR).screenshot({ path: screenshotPath(`builder-parts-${theme}`) });
      const found = await scanForA11yViolations({ include: QUERY_EDITOR, exclude: NOT_OURS });
      expect(found).toHaveNoA11yViolations();
    });

    test('the code editor and its browser have no violations', async ({
      remoteDataSource,
      panelEditPage,
      page,
      scanForA11yViolations,
    }) => {
      await panelEditPage.datasource.set(remoteDataSource.name);
      await page.getByRole('radio', { name: 'Code' }).click();
      await page.getByLabel('PromQL').fill('sum(up{job="node"})');
      await page.getByLabel('PromQL').press('Shift+Enter');
      await page.getByRole('button', { name: 'Metrics browser' }).click();
      const browser = page.getByRole('region', { name: 'Metrics browser' });
      await expect(browser.getByRole('option', { name: 'prometheus', exact: true })).toBeVisible();
      await standsStill(page.locator(QUERY_EDITOR));
      const found = await scanForA11yViolations({ include: QUERY_EDITOR });
      expect(found).toHaveNoA11yViolations();
    });

    test('a mistake in the code editor, and what is said of it, have no violations', async ({
      remoteDataSource,
      panelEditPage,
      page,
      scanForA11yViolations,
    }) => {
      await panelEditPage.datasource.set(remoteDataSource.name);
      await page.getByRole('radio', { name: 'Code' }).click();
      await page.getByLabel('PromQL').fill('sum(rate(up{job="node"}[5m]) + 1.5 # half');
      const refused = panelEditPage.waitForQueryDataResponse((response) => response.status() >= 400);
      await page.getByLabel('PromQL').press('Shift+Enter');
      await refused;
      await expect(page.locator(QUERY_EDITOR).getByRole('alert')).toContainText('parse error');
      await expect(page.locator('.cm-lintRange-error')).toBeVisible();
      await standsStill(page.locator(QUERY_EDITOR));
      await page.screenshot({ path: screenshotPath(`code-mistake-${theme}`) });
      const found = await scanForA11yViolations({ include: QUERY_EDITOR });
      expect(found).toHaveNoA11yViolations();
    });

    for (const engine of ['Scrape the app directly', 'Query a Prometheus-compatible server']) {
      test(`the settings of “${engine}” have no violations`, async ({
        createDataSourceConfigPage,
        page,
        scanForA11yViolations,
      }) => {
        await createDataSourceConfigPage({ type: PLUGIN_ID });
        await page.getByText(engine).click();
        const folded = page.locator(CONFIG_EDITOR).getByRole('button', { name: /^Expand section / });
        while ((await folded.count()) > 0) {
          await folded.first().click();
        }
        await standsStill(page.locator(CONFIG_EDITOR));
        const name = engine.startsWith('Scrape') ? 'embedded' : 'remote';
        await page.screenshot({ path: screenshotPath(`config-${name}-${theme}`), fullPage: true });
        const found = await scanForA11yViolations({ include: CONFIG_EDITOR });
        expect(found).toHaveNoA11yViolations();
      });
    }

    test('the variable’s editor has no violations', async ({
      remoteDataSource,
      variableEditPage,
      page,
      scanForA11yViolations,
    }) => {
      await variableEditPage.datasource.set(remoteDataSource.name);
      await expect(page.locator(VARIABLE_EDITOR)).toBeVisible();
      await standsStill(page.locator(VARIABLE_EDITOR));
      await page.screenshot({ path: screenshotPath(`variable-editor-${theme}`), fullPage: true });
      const found = await scanForA11yViolations({ include: VARIABLE_EDITOR });
      expect(found).toHaveNoA11yViolations();
    });

    test('the annotation’s editor has no violations', async ({
      remoteDataSource,
      annotationEditPage,
      page,
      scanForA11yViolations,
    }) => {
      await annotationEditPage.datasource.set(remoteDataSource.name);
      const editor = page.locator(ANNOTATION_EDITOR);
      await editor.getByLabel('PromQL').fill('up{job="node"} == 1');
      await editor.getByLabel('Title').fill('{{job}}');
      await expect(annotationEditPage.runQuery()).toBeOK();
      await standsStill(editor);
      await page.screenshot({ path: screenshotPath(`annotation-editor-${theme}`), fullPage: true });
      const found = await scanForA11yViolations({ include: ANNOTATION_EDITOR });
      expect(found).toHaveNoA11yViolations();
    });

    test('the help in Explore has no violations', async ({
      remoteDataSource,
      explorePage,
      page,
      scanForA11yViolations,
    }) => {
      await explorePage.datasource.set(remoteDataSource.name);
      await page.getByRole('button', { name: 'Show data source help' }).click();
      await expect(page.locator(HELP).getByRole('button').first()).toBeVisible();
      await page.screenshot({ path: screenshotPath(`help-${theme}`) });
      const found = await scanForA11yViolations({ include: HELP });
      expect(found).toHaveNoA11yViolations();
    });
  });
}
