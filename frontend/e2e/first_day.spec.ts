/** The example dashboards, as they are provisioned, with the sample app behind them. */
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { expect } from '@grafana/plugin-e2e';

import { panelNamed, screenshotPath, signedIn as test } from './surroundings';

/** The sample app that the provisioned data source scrapes, as this test reaches it. */
const WIKI_URL = process.env.WIKI_URL ?? 'http://127.0.0.1:8000';
const SCRAPE_INTERVAL_MS = 15_000;

interface Panel {
  title: string;
  type: string;
  fieldConfig: { defaults: { noValue?: string } };
}

const DASHBOARDS = ['fastapi', 'service-overview', 'headwater'].map((name) => {
  const file = path.resolve(import.meta.dirname, '../../provisioning/dashboards', `${name}.json`);
  const board = JSON.parse(readFileSync(file, 'utf8')) as { uid: string; title: string; panels: Panel[] };
  return { name, ...board, panels: board.panels.filter(({ type }) => type !== 'row') };
});

/** Panels with a drawing, whatever it shows. */
const DRAWN = new Set(['timeseries', 'heatmap']);

/** A busy machine takes its time to load Grafana; only a failure waits so long. */
const PATIENCE_MS = 120_000;

// The page itself is loaded before a test's first line, so that the bound is the file's.
test.describe.configure({ timeout: 4 * PATIENCE_MS });

/** High enough for all panels: Grafana asks only for those that are on screen. */
const WHOLE_DASHBOARD = { width: 1400, height: 1900 };

test.beforeAll(async ({ request }) => {
  // Rates need two scrapes with something between them. The pauses stay below the five seconds after
  // which the app closes a connection that nobody uses.
  for (let round = 0; round < 12; round += 1) {
    const user = await request.post(`${WIKI_URL}/users`, { data: { name: `e2e-${Date.now()}-${round}` } });
    expect(user.status()).toBe(201);
    const { id } = (await user.json()) as { id: number };
    const post = await request.post(`${WIKI_URL}/posts`, { data: { user_id: id, title: `Page ${round}` } });
    expect(post.status()).toBe(201);
    await request.get(`${WIKI_URL}/posts`);
    await new Promise((resolve) => setTimeout(resolve, SCRAPE_INTERVAL_MS / 5));
  }
});

for (const { name, uid, title, panels } of DASHBOARDS) {
  for (const theme of ['light', 'dark']) {
    test(`every panel of ${title} shows data, in the ${theme} theme`, async ({ page }) => {
      await page.setViewportSize(WHOLE_DASHBOARD);
      await page.goto(`/d/${uid}?kiosk&theme=${theme}&from=now-5m&to=now`);
      for (const panel of panels) {
        const shown = panelNamed(page, panel.title).first();
        await expect(shown, panel.title).toBeVisible({ timeout: PATIENCE_MS });
        await expect(shown.getByTestId('data-testid Panel loading bar')).toHaveCount(0, { timeout: PATIENCE_MS });
        await expect(shown.getByText('No data', { exact: true }), panel.title).toHaveCount(0);
        await expect(shown.getByTestId('data-testid Panel data error message'), panel.title).toHaveCount(0);
        // A graph's legend says it of a series without a last value; a single figure has nothing else.
        if (panel.type === 'stat' && panel.fieldConfig.defaults.noValue) {
          await expect(shown.getByText(panel.fieldConfig.defaults.noValue), panel.title).toHaveCount(0);
        }
        await expect(shown.getByTestId('data-testid Panel status error'), panel.title).toHaveCount(0);
        if (DRAWN.has(panel.type)) {
          // A graph is drawn once its legend has been, whose height it leaves.
          await expect(shown.locator('canvas').first(), panel.title).toBeVisible({ timeout: PATIENCE_MS });
        }
      }
      await page.screenshot({ path: screenshotPath(`${name}-${theme}`) });
    });
  }
}

test('a new user is on screen within one scrape', async ({ page, request }) => {
  await page.goto('/d/headwater-fastapi?kiosk&refresh=5s&from=now-5m&to=now');
  const total = panelNamed(page, 'Users total').first();
  await expect(total).toContainText(/\d/, { timeout: PATIENCE_MS });
  const before = /([\d,.]+)/.exec((await total.innerText()).replace('Users total', ''))?.[1];
  const created = await request.post(`${WIKI_URL}/users`, { data: { name: `e2e-${Date.now()}` } });
  expect(created.status()).toBe(201);
  // A scrape is due within its interval, and the panel asks every five seconds.
  await expect(async () => {
    const now = /([\d,.]+)/.exec((await total.innerText()).replace('Users total', ''))?.[1];
    expect(now).not.toBe(before);
  }).toPass({ timeout: SCRAPE_INTERVAL_MS + 10_000 });
});

test('the provisioned data source says that it is well', async ({ gotoDataSourceConfigPage, page }) => {
  const configPage = await gotoDataSourceConfigPage('headwater');
  await page.getByRole('button', { name: 'Test', exact: true }).click();
  await expect(configPage).toHaveAlert('success');
});
