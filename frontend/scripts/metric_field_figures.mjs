/**
 * How long the metric field takes with 200,000 names, in a real Grafana and a headless Chromium:
 *
 *   GRAFANA_URL      a Grafana that has the plugin and reaches 127.0.0.1 of this machine
 *   GRAFANA_ADMIN_PASSWORD  the password of its user admin
 *   CHROMIUM_PATH    a Chromium, where it is not /usr/bin/chromium
 *   NAMES            another number of names
 *
 * A server of its own stands in for a Prometheus with that many names. A figure runs from the
 * event of the key (or of the focus) to the frame in which the answer to it is drawn.
 * Prints them; what a time has to be is a person's to judge, on a machine that has nothing else to do.
 */
import { createServer } from 'node:http';

import { chromium } from '@playwright/test';

const GRAFANA = process.env.GRAFANA_URL ?? 'http://localhost:3000';
const PASSWORD = process.env.GRAFANA_ADMIN_PASSWORD ?? 'admin';
const CREDENTIALS = `Basic ${Buffer.from(`admin:${PASSWORD}`).toString('base64')}`;
const NAMES = Number(process.env.NAMES ?? 200_000);
const PLUGIN_ID = 'headwater-metrics-datasource';
const TYPED = ['http requests', 'node_cpu_seconds', 'payment latency sum'];
const ROUNDS = 3;

const AREAS = ['http', 'grpc', 'payment', 'node', 'queue', 'cache', 'billing', 'search', 'mail', 'login'];
const THINGS = ['requests', 'cpu_seconds', 'latency', 'errors', 'bytes_sent', 'connections', 'retries', 'items'];
const ENDS = ['total', 'sum', 'count', 'bucket', 'current'];

const names = Array.from({ length: NAMES }, (_, at) => {
  const area = AREAS[at % AREAS.length];
  const thing = THINGS[Math.floor(at / 10) % THINGS.length];
  const end = ENDS[Math.floor(at / 80) % ENDS.length];
  return `${area}_${thing}_service${Math.floor(at / 400)}_${end}`;
}).sort(); // As servers send them.

/** What is asked of a Prometheus here: its names, and for everything else an empty answer. */
const prometheus = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  const data = pathname.endsWith('/label/__name__/values')
    ? names
    : pathname.endsWith('/metadata') || pathname.endsWith('/buildinfo')
      ? {}
      : pathname.includes('/query')
        ? { resultType: pathname.endsWith('_range') ? 'matrix' : 'vector', result: [] }
        : [];
  request.resume();
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify({ status: 'success', data }));
});

/** In the page: notes when the field is asked something and when the answer has been drawn. */
function watch() {
  const figures = [];
  let asked = 0;
  window.metricFieldFigures = figures;
  for (const kind of ['keydown', 'focusin']) {
    document.addEventListener(
      kind,
      (event) => {
        if (event.target?.getAttribute?.('role') === 'combobox') {
          asked = performance.now();
        }
      },
      true
    );
  }
  const fetchOfGrafana = window.fetch;
  window.fetch = async (...request) => {
    const url = String(request[0]?.url ?? request[0]);
    const response = await fetchOfGrafana(...request);
    // What is fetched before anybody touches the field is nobody's wait.
    if (url.includes('/metric-search') && asked > 0) {
      const since = asked;
      const text = new URL(url, location.href).searchParams.get('text');
      const answered = performance.now() - since;
      const { found, metrics } = await response.clone().json();
      const drawn = () => {
        const status = document.querySelector('[role="status"]')?.textContent ?? '';
        const first = document.querySelector('[role="listbox"] [role="option"]')?.textContent ?? '';
        if (status.startsWith(found.toLocaleString()) && first.startsWith(metrics[0]?.name ?? '')) {
          figures.push({ text, answered, drawn: performance.now() - since });
        } else {
          requestAnimationFrame(drawn);
        }
      };
      requestAnimationFrame(drawn);
    }
    return response;
  };
}

async function grafana(path, method, body) {
  const answer = await fetch(`${GRAFANA}${path}`, {
    method,
    headers: { 'Content-Type': 'application/json', Authorization: CREDENTIALS },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) {
    throw new Error(`${method} ${path}: status ${answer.status}: ${await answer.text()}`);
  }
  return answer.json();
}

function line(what, times, bound) {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))].toFixed(0);
  return `${what}: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, worst ${at(1)} ms of ${sorted.length} (wanted: ${bound} ms)`;
}

await new Promise((resolve) => prometheus.listen(0, '127.0.0.1', resolve));
const { datasource } = await grafana('/api/datasources', 'POST', {
  name: `Metric field figures ${process.pid}`,
  type: PLUGIN_ID,
  access: 'proxy',
  url: `http://127.0.0.1:${prometheus.address().port}`,
  jsonData: { engine: 'remote' },
});
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});
try {
  // As people do: with a password in every request, Grafana would hash it at every key.
  const context = await browser.newContext();
  const login = await context.request.post(`${GRAFANA}/login`, { data: { user: 'admin', password: PASSWORD } });
  if (!login.ok()) {
    throw new Error(`logging in: status ${login.status()}: ${await login.text()}`);
  }
  const page = await context.newPage();
  await page.addInitScript(watch);
  const query = { refId: 'A', datasource: { type: PLUGIN_ID, uid: datasource.uid }, editorMode: 'builder', expr: '' };
  const pane = { datasource: datasource.uid, queries: [query], range: { from: 'now-1h', to: 'now' } };
  await page.goto(
    `${GRAFANA}/explore?schemaVersion=1&orgId=1&panes=${encodeURIComponent(JSON.stringify({ a: pane }))}`
  );
  const field = page.getByLabel('Metric', { exact: true });
  await field.waitFor({ timeout: 120_000 });
  const opened = [];
  const keys = [];
  const figures = () => page.evaluate(() => window.metricFieldFigures.splice(0));
  const settled = async (count) => {
    await page.waitForFunction((wanted) => window.metricFieldFigures.length >= wanted, count, { timeout: 60_000 });
    return figures();
  };
  // The first look-up has the backend fetch all names, once in its cache's time.
  await field.focus();
  const [first] = await settled(1);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const text of TYPED) {
      await page.keyboard.press('Escape');
      await field.blur();
      await figures();
      await field.focus();
      opened.push(...(await settled(1)));
      for (const letter of text) {
        await page.keyboard.press(letter === ' ' ? 'Space' : letter);
        keys.push(...(await settled(1)));
      }
      await field.fill('');
      await settled(1);
    }
  }
  const drawn = (all) => all.map((figure) => figure.drawn);
  console.log(`Metric field, ${NAMES.toLocaleString('en')} names, Chromium ${browser.version()}`);
  console.log(`first opening, with all names fetched from the server: ${first.drawn.toFixed(0)} ms`);
  console.log(line('opening', drawn(opened), 150));
  console.log(line('each key', drawn(keys), 50));
  console.log(
    line(
      '  of which until the backend answered',
      keys.map((key) => key.answered),
      50
    )
  );
} finally {
  await browser.close();
  await grafana(`/api/datasources/uid/${datasource.uid}`, 'DELETE');
  prometheus.close();
}
