import { writeFileSync } from 'node:fs';
import path from 'node:path';

import { expect, folder, metricsPage, start, test, watch, type Started } from './headwater';

const HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=1</script>';

/** Ends what a test started, whatever became of it. */
const open: Array<{ end(): Promise<void> }> = [];

test.afterEach(async () => {
  for (const started of open.splice(0).reverse()) {
    await started.end();
  }
});

function kept<Thing extends { end(): Promise<void> }>(started: Thing): Thing {
  open.push(started);
  return started;
}

async function serve(...more: string[]): Promise<Started> {
  const data = kept(folder());
  return kept(await start('serve', '--listen', '127.0.0.1:0', '--data-dir', data.path, ...more));
}

test('names, values and errors of strangers are text', async ({ page }) => {
  const quoted = JSON.stringify(HOSTILE);
  const app = kept(
    await metricsPage(() => ({
      status: 200,
      body: `# HELP jobs_total ${HOSTILE}\n# TYPE jobs_total counter\njobs_total{job_name=${quoted}} 3\n{${quoted}} 4\n`,
    }))
  );
  const broken = kept(await metricsPage(() => ({ status: 200, body: `${HOSTILE}\n` })));
  const server = await serve('--scrape', app.url, '--scrape', broken.url, '--scrape-interval', '1s');
  const seen = watch(page);
  await page.goto(server.url);
  await expect(page.locator('#targets .state.down')).toHaveText('down');
  const panel = page.locator('figure', { hasText: 'jobs_total, per second' });
  await expect(panel).toContainText(HOSTILE);
  // Its text comes with the first scrape, which is not a step old yet.
  await expect(panel.locator('.latest')).toHaveText('0 /s');
  await page.getByLabel('PromQL').fill('{__name__=~".*img.*|jobs_total"}');
  await page.getByLabel('PromQL').press('Enter');
  await expect(page.locator('#answer tbody tr')).toHaveCount(2);
  await expect(page.locator('#answer tbody')).toContainText('onerror');
  await page.getByLabel('PromQL').fill(HOSTILE);
  await expect(page.locator('#marks')).toHaveText(HOSTILE);
  expect(await page.locator('main img, main script').count()).toBe(0);
  expect(await page.title()).toBe('Headwater');
  expect(seen.elsewhere).toEqual([]);
});

test('a long text on the axis of values is not cut', async ({ page }) => {
  const app = kept(
    await metricsPage(() => ({ status: 200, body: '# TYPE stock gauge\nstock 98765432101234567890\n' }))
  );
  const server = await serve('--scrape', app.url, '--scrape-interval', '1s');
  await page.goto(server.url);
  const panel = page.locator('figure', { hasText: 'stock' });
  await expect(panel.locator('.latest')).toHaveText('98765432 T');
  const inked = await panel.locator('canvas').evaluate((canvas: HTMLCanvasElement) => {
    const column = (x: number) => canvas.getContext('2d')?.getImageData(x, 0, 1, canvas.height).data ?? [];
    const isInked = (x: number) => column(x).some((part: number, at: number) => at % 4 === 3 && part > 0);
    return { first: isInked(0), any: Array.from({ length: canvas.width }, (_, x) => x).some(isInked) };
  });
  expect(inked).toEqual({ first: false, any: true });
});

test('another app gets panels of its own metrics, and a target that is down says why', async ({ page }) => {
  let requests = 0;
  const app = kept(
    await metricsPage(() => ({
      status: 200,
      body: `# TYPE http_requests_total counter\nhttp_requests_total ${(requests += 7)}\n# TYPE queue_length gauge\nqueue_length 5\n`,
    }))
  );
  const server = await serve(
    ...['--scrape', app.url, '--scrape', 'http://127.0.0.1:1/metrics', '--scrape-interval', '1s']
  );
  await page.goto(server.url);
  await expect(page.locator('figure h3')).toHaveText(['Targets up', 'http_requests_total, per second', 'queue_length']);
  await expect(page.locator('figure', { hasText: 'queue_length' }).locator('.latest')).toHaveText('5');
  await expect(page.locator('figure', { hasText: 'http_requests' }).locator('.latest')).toHaveText(/\d \/s/);
  await expect(page.locator('#targets tbody tr').first()).toContainText('connection refused');
  await expect(page.locator('#summary')).toContainText('1 of 2 targets up');
});

test('an empty store says how samples come', async ({ page }) => {
  const server = await serve();
  await page.goto(server.url);
  await expect(page.locator('#panels')).toContainText(`${server.url}/api/v1/write`);
  await expect(page.locator('#targets')).toContainText('--scrape');
});

test('a server with a token asks for it once', async ({ page }) => {
  const secrets = kept(folder());
  const file = path.join(secrets.path, 'token');
  writeFileSync(file, 'open-sesame\n');
  const server = await serve('--bearer-token-file', file);
  await page.goto(server.url);
  await page.getByLabel(/asks for a token/).fill('wrong');
  await page.getByRole('button', { name: 'Enter' }).click();
  await page.getByLabel(/asks for a token/).fill('open-sesame');
  await page.getByRole('button', { name: 'Enter' }).click();
  await expect(page.locator('#panels')).toContainText('No samples yet');
  await expect(page.locator('#token')).toBeHidden();
});

test('a page of another server reads nothing', async ({ page }) => {
  const server = await serve();
  const other = kept(await metricsPage(() => ({ status: 200, body: 'elsewhere' })));
  await page.goto(other.url);
  const read = await page.evaluate(async (url) => {
    const asked = await fetch(`${url}/api/v1/query?query=1`).then(
      (response) => response.text(),
      () => 'refused'
    );
    const written = await fetch(`${url}/api/v1/write`, { method: 'POST', mode: 'no-cors', body: '' }).then(
      (response) => response.type,
      () => 'refused'
    );
    return { asked, written };
  }, server.url);
  expect(read.asked).toBe('refused');
  // The browser lets nobody see the answer; the server's own log of refusals is its status.
  expect(['opaque', 'refused']).toContain(read.written);
});

test('a server that has ended is told, and one that is back too', async ({ page }) => {
  const data = kept(folder());
  const first = await start('serve', '--listen', '127.0.0.1:0', '--data-dir', data.path);
  await page.goto(first.url);
  await expect(page.locator('#panels')).toContainText('No samples yet');
  await first.end();
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.locator('#trouble')).toContainText('does not answer');
  kept(await start('serve', '--listen', new URL(first.url).host, '--data-dir', data.path));
  await page.getByRole('button', { name: 'Go on' }).click();
  await expect(page.locator('#trouble')).toBeHidden();
});
