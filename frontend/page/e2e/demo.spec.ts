import path from 'node:path';

import AxeBuilder from '@axe-core/playwright';
import type { Locator, Page } from '@playwright/test';

import { expect, test, watch } from './headwater';

const PANELS = [
  'Users total',
  'User rate per minute',
  'Posts per user',
  'Posts total',
  'Post rate per minute',
  'Response time',
];

/** Opens the page of a demo that has been scraped twice: what is asked earlier has no answer yet. */
async function openWithSamples(page: Page, url: string) {
  await page.goto(url);
  const rate = page.locator('figure', { has: page.getByRole('heading', { name: 'User rate per minute' }) });
  await expect(rate.locator('.latest')).toHaveText(/\d/);
}

test('the panels show the wiki live, and nothing is asked of anybody else', async ({ page, demo }) => {
  const seen = watch(page);
  await page.goto(demo.url);
  for (const title of PANELS) {
    const panel = page.locator('figure', { has: page.getByRole('heading', { name: title, exact: true }) });
    await expect(panel.locator('.latest')).toHaveText(/\d/);
    await expect(panel.locator('canvas')).toBeVisible();
  }
  const posts = page.locator('figure', { has: page.getByRole('heading', { name: 'Posts total' }) }).locator('.latest');
  const before = await posts.textContent();
  await expect(posts).not.toHaveText(before ?? '');

  const target = page.locator('#targets tbody tr');
  await expect(target).toHaveCount(1);
  await expect(target.locator('.state')).toHaveText('up');
  await expect(target).toContainText('wiki');
  await expect(target).toContainText('every 1s');
  await expect(page.locator('#summary')).toContainText('1 of 1 target up');
  expect(seen).toEqual({ elsewhere: [], complaints: [] });
});

test('a query is drawn and written out, over time and now', async ({ page, demo }) => {
  await openWithSamples(page, demo.url);
  const box = page.getByLabel('PromQL');
  await box.fill('sum by (status) (rate(http_requests_total[10s]))');
  await box.press('Enter');
  const answer = page.locator('#answer');
  await expect(answer.locator('canvas')).toBeVisible();
  await expect(answer.locator('tbody tr').first()).toContainText('{status="200"}');
  await page.getByLabel('now', { exact: true }).check();
  await expect(answer.locator('canvas')).toHaveCount(0);
  await expect(answer.locator('th')).toHaveText(['Series', 'Value']);
  await box.fill('"<b>text</b>"');
  await box.press('Enter');
  // A list, which waits until the answer before has gone.
  await expect(answer.locator('td')).toHaveText(['<b>text</b>']);
});

test('a mistake is marked where it stands', async ({ page, demo }) => {
  await openWithSamples(page, demo.url);
  const box = page.getByLabel('PromQL');
  await box.fill('sum(\n  rat(http_requests_total[5m]))');
  await expect(page.locator('#marks mark')).toHaveText('rat');
  await expect(page.locator('#mistake')).toContainText('did you mean "rate"?');
  await expect(page.locator('#mistake')).toContainText('    rat(http_requests_total[5m]))\n    ^^^');
  await expect(box).toHaveAttribute('aria-invalid', 'true');
  await box.fill('sum(rate(http_requests_total[5m]))');
  await expect(page.locator('#mistake')).toBeHidden();
  await expect(page.locator('#marks mark')).toHaveCount(0);
  // What only the evaluation finds is told below.
  await box.fill('http_requests_total + on () http_requests_total');
  await box.press('Enter');
  await expect(page.locator('#answer .trouble')).toContainText('many-to-many');
});

test('a panel gives its query to the box', async ({ page, demo }) => {
  await openWithSamples(page, demo.url);
  await page.locator('figure', { hasText: 'User rate per minute' }).locator('button.expr').click();
  await expect(page.getByLabel('PromQL')).toHaveValue(/sum\(rate\(users_created_total\[\d+s\]\)\) \* 60/);
  await expect(page.locator('#answer canvas')).toBeVisible();
});

test('another metric can be shown beside the panels', async ({ page, demo }) => {
  await page.goto(demo.url);
  await page.getByLabel('Another metric').fill('scrape_duration_seconds');
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await expect(page.locator('figure').last()).toContainText('scrape_duration_seconds');
  await expect(page.locator('figure').last().locator('.latest')).toHaveText(/ms|µs/);
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`it is readable in ${colorScheme} colours, and finds no fault with axe`, async ({ browser, demo }) => {
    const context = await browser.newContext({ colorScheme, viewport: { width: 1400, height: 1000 } });
    const page = await context.newPage();
    await page.goto(demo.url);
    await expect(page.locator('.latest').last()).toHaveText(/\d/);
    await page.getByLabel('PromQL').fill('rat(up)');
    await expect(page.locator('#marks mark')).toHaveText('rat');
    const found = await new AxeBuilder({ page }).analyze();
    expect(found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)).toEqual([]);
    if (process.env.SCREENSHOTS) {
      await page.screenshot({ path: path.join(process.env.SCREENSHOTS, `page-${colorScheme}.png`), fullPage: true });
    }
    await context.close();
  });
}

/** Whether a line is drawn in the colour that the legend names it by. */
async function expectLineAsInLegend(panel: Locator) {
  await expect(panel.locator('canvas')).toBeVisible();
  await expect(async () => {
    const pixels = await panel.evaluate((figure) => {
      const swatch = figure.querySelector('.swatch');
      const canvas = figure.querySelector('canvas');
      const data = canvas?.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data;
      if (!swatch || !data) {
        return 0;
      }
      const [red, green, blue] = (getComputedStyle(swatch).borderTopColor.match(/\d+/g) ?? []).map(Number);
      let found = 0;
      for (let at = 0; at < data.length; at += 4) {
        found += Number(data[at] === red && data[at + 1] === green && data[at + 2] === blue && data[at + 3] === 255);
      }
      return found;
    });
    expect(pixels).toBeGreaterThan(10);
  }).toPass();
}

test('the theme follows the system until somebody chooses, and the choice stays', async ({ page, demo }) => {
  await page.emulateMedia({ colorScheme: 'dark' });
  await openWithSamples(page, demo.url);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const panel = page.locator('figure', { has: page.getByRole('heading', { name: 'Users total', exact: true }) });
  const dark = await ground();
  await expectLineAsInLegend(panel);
  await page.getByRole('button', { name: 'Theme: system' }).click();
  const light = await ground();
  expect(light).not.toBe(dark);
  await expectLineAsInLegend(panel);
  await page.reload();
  await expect(page.getByRole('button', { name: 'Theme: light' })).toBeVisible();
  expect(await ground()).toBe(light);
});

test('on a phone nothing is cut off', async ({ browser, demo }) => {
  const context = await browser.newContext({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  const page = await context.newPage();
  await page.goto(demo.url);
  await expect(page.locator('.latest').last()).toHaveText(/\d/);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBeLessThanOrEqual(360);
  await context.close();
});

test('the keyboard alone is enough', async ({ page, demo }) => {
  await openWithSamples(page, demo.url);
  await page.keyboard.press('Tab');
  await expect(page.getByText('Skip to the query box')).toBeFocused();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await page.getByLabel('PromQL').focus();
  await page.keyboard.type('count(up)');
  await page.keyboard.press('Enter');
  await expect(page.locator('#answer tbody tr')).toContainText('{}');
});
