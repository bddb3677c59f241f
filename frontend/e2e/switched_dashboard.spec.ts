/**
 * A dashboard made for Grafana's own Prometheus data source, and beside each panel the same panel
 * switched over to this data source: both ask one Prometheus, and must show the same.
 */
import type { APIRequestContext, Page, Response } from '@playwright/test';

import {
  expect,
  type NamedDataSource,
  panelNamed,
  PLUGIN_ID,
  PROMETHEUS_URL,
  screenshotPath,
  test as withRemote,
  THEMES,
} from './surroundings';

const PROMETHEUS = 'prometheus';

/** Panels of the switched half have the number of their original and this. */
const SWITCHED = 100;

interface Target {
  refId: string;
  expr: string;
  [key: string]: unknown;
}

interface Panel {
  id: number;
  title: string;
  type: string;
  targets: Target[];
  height: number;
  [key: string]: unknown;
}

/** Asked twice: for what a heatmap draws, and for its cells in figures that can be read. */
const LATENCIES = {
  refId: 'A',
  expr: 'sum by (le) (increase(prometheus_http_request_duration_seconds_bucket[$__rate_interval]))',
  format: 'heatmap',
  legendFormat: '{{le}}',
  interval: '1m',
};

/** As someone made them years ago and ever since: keys are missing, and others are of no use. */
const PANELS: Panel[] = [
  {
    id: 1,
    title: 'Requests',
    type: 'timeseries',
    height: 8,
    targets: [
      {
        refId: 'A',
        expr: 'sum by (job, handler) (rate(prometheus_http_requests_total{job=~"$job"}[$__rate_interval]))',
        legendFormat: '{{job}} at {{handler}}',
        intervalFactor: 2,
        editorMode: 'code',
      },
    ],
    options: { legend: { displayMode: 'table', placement: 'bottom', calcs: ['lastNotNull', 'max', 'mean'] } },
  },
  {
    id: 2,
    title: 'Scrapes',
    type: 'timeseries',
    height: 8,
    // Two queries, and names that Grafana makes up.
    targets: [
      {
        refId: 'A',
        expr: 'scrape_duration_seconds{job=~"$job"}',
        legendFormat: '__auto',
        range: true,
        interval: '30s',
      },
      { refId: 'B', expr: 'max(scrape_duration_seconds{job=~"$job"})', range: true, instant: false },
    ],
    options: { legend: { displayMode: 'table', placement: 'bottom', calcs: ['lastNotNull', 'min'] } },
  },
  {
    id: 3,
    title: 'Samples',
    type: 'stat',
    height: 5,
    targets: [{ refId: 'A', expr: 'sum by (job) (scrape_samples_scraped{job=~"$job"})', instant: true, range: false }],
    options: { textMode: 'value_and_name', graphMode: 'none', reduceOptions: { calcs: ['lastNotNull'] } },
  },
  {
    id: 4,
    title: 'Growth in the range',
    type: 'stat',
    height: 5,
    targets: [{ refId: 'A', expr: 'increase(prometheus_tsdb_head_samples_appended_total[$__range])', instant: true }],
    options: { textMode: 'value_and_name', graphMode: 'none', reduceOptions: { calcs: ['lastNotNull'] } },
  },
  {
    id: 5,
    title: 'Targets',
    type: 'table',
    height: 7,
    targets: [
      { refId: 'A', expr: 'up{job=~"$job"}', format: 'table', instant: true },
      { refId: 'B', expr: 'scrape_samples_scraped{job=~"$job"}', format: 'table', instant: true },
    ],
    transformations: [
      { id: 'merge', options: {} },
      { id: 'organize', options: { excludeByName: { Time: true }, renameByName: { 'Value #B': 'Samples' } } },
    ],
  },
  {
    id: 6,
    title: 'Every sample',
    type: 'table',
    height: 7,
    targets: [{ refId: 'A', expr: 'up{job=~"$job"}', format: 'table', interval: '1m' }],
  },
  {
    id: 7,
    title: 'Latencies',
    type: 'heatmap',
    height: 8,
    targets: [LATENCIES],
    options: { calculate: false, color: { scheme: 'Oranges', steps: 64 }, yAxis: { unit: 's' } },
  },
  {
    id: 8,
    title: 'Latencies in figures',
    type: 'table',
    height: 8,
    // What a heatmap draws, in cells that can be read.
    targets: [LATENCIES],
  },
];

const ANNOTATION = {
  enable: true,
  expr: 'up{job="prometheus"} == 1',
  step: '60s',
  titleFormat: '{{job}} is up',
  textFormat: '{{instance}}',
  tagKeys: 'job',
};

interface Dashboard {
  url: string;
  uid: string;
}

const test = withRemote.extend<{ prometheus: NamedDataSource; dashboard: Dashboard }>({
  scrapeInterval: '5s',
  // Like the other data source, before the page.
  prometheus: [
    async ({ createDataSource, request, scrapeInterval }, use) => {
      const made = await createDataSource({
        type: PROMETHEUS,
        url: PROMETHEUS_URL,
        access: 'proxy',
        jsonData: { httpMethod: 'POST', timeInterval: scrapeInterval },
      });
      await use(made);
      await request.delete(`/api/datasources/uid/${made.uid}`);
    },
    { auto: true },
  ],
  dashboard: async ({ prometheus, remoteDataSource, request }, use) => {
    const made = await madeDashboard(request, prometheus, remoteDataSource);
    await use(made);
    await request.delete(`/api/dashboards/uid/${made.uid}`);
  },
});

/** The dashboard, with the switched half on its right. */
async function madeDashboard(
  request: APIRequestContext,
  prometheus: NamedDataSource,
  headwater: NamedDataSource
): Promise<Dashboard> {
  const original = { type: PROMETHEUS, uid: prometheus.uid };
  const switched = { type: PLUGIN_ID, uid: headwater.uid };
  let y = 0;
  const panels = PANELS.flatMap(({ height, ...panel }) => {
    const top = y;
    y += height;
    return [original, switched].map((datasource, at) => {
      const isSwitched = at === 1;
      return {
        ...panel,
        id: panel.id + (isSwitched ? SWITCHED : 0),
        title: `${panel.title} (${isSwitched ? 'Headwater' : 'Prometheus'})`,
        datasource,
        gridPos: { x: isSwitched ? 12 : 0, y: top, w: 12, h: height },
        targets: panel.targets.map((target) => ({
          ...target,
          datasource,
          // The switched half takes its jobs from a variable of its own data source.
          expr: isSwitched ? target.expr.replaceAll('$job', '${job_switched}') : target.expr,
        })),
      };
    });
  });
  const variable = (name: string, datasource: typeof original) => ({
    name,
    type: 'query',
    datasource,
    query: {
      query: 'label_values(up{job!=""}, job)',
      refId: 'PrometheusVariableQueryEditor-VariableQuery',
      qryType: 1,
    },
    refresh: 2,
    multi: true,
    includeAll: true,
    sort: 2,
    current: { text: ['All'], value: ['$__all'] },
  });
  // A range in the past: what is asked twice must not have grown in between.
  const to = Math.floor(Date.now() / 60_000) * 60_000 - 30_000;
  const made = await request.post('/api/dashboards/db', {
    data: {
      dashboard: {
        title: `Switched over ${Date.now()}`,
        schemaVersion: 39,
        time: { from: new Date(to - 15 * 60_000).toISOString(), to: new Date(to).toISOString() },
        timezone: 'utc',
        panels,
        templating: { list: [variable('job', original), variable('job_switched', switched)] },
        annotations: {
          list: [
            { ...ANNOTATION, name: 'Up (Prometheus)', iconColor: 'rgb(1, 2, 3)', datasource: original },
            { ...ANNOTATION, name: 'Up (Headwater)', iconColor: 'rgb(3, 2, 1)', datasource: switched },
          ],
        },
      },
    },
  });
  expect(made.ok(), await made.text()).toBe(true);
  return made.json();
}

interface Answer {
  panel: number;
  dataSource: string;
  results: Record<string, { frames: Frame[] }>;
}

interface Frame {
  schema: { meta?: { custom?: Record<string, unknown> } } & Record<string, unknown>;
  data: { values: unknown[][] };
}

/** Every answer to a panel or annotation, with who asked whom. */
function collectAnswers(page: Page): Answer[] {
  const answers: Answer[] = [];
  page.on('response', async (response: Response) => {
    if (!response.url().includes('/api/ds/query')) {
      return;
    }
    const request = response.request();
    const [query] = request.postDataJSON().queries;
    const { results } = await response.json();
    const panel = Number((await request.allHeaders())['x-panel-id']);
    answers.push({ panel, dataSource: query.datasource.uid, results });
  });
  return answers;
}

/** What a panel says in letters, without its title. */
async function textOf(page: Page, title: string): Promise<string> {
  const shown = panelNamed(page, title);
  await shown.scrollIntoViewIfNeeded();
  return (await shown.innerText()).replace(title, '').trim();
}

/** The frames without what tells of the answering itself: how long it took, how much was read. */
function framesOf(answer: Answer): unknown {
  return Object.fromEntries(
    Object.entries(answer.results).map(([refId, { frames }]) => [
      refId,
      frames.map(({ schema, data }) => {
        const { stats: _stats, ...custom } = schema.meta?.custom ?? {};
        return { schema: { ...schema, meta: { ...schema.meta, custom } }, data };
      }),
    ])
  );
}

for (const theme of THEMES) {
  test(`panels switched over show what they showed before, in the ${theme} theme`, async ({
    dashboard,
    page,
    prometheus,
    remoteDataSource,
  }) => {
    await page.setViewportSize({ width: 1400, height: 2300 });
    const answers = collectAnswers(page);
    await page.goto(`${dashboard.url}?kiosk&theme=${theme}`);
    for (const { title } of PANELS) {
      for (const whose of ['Prometheus', 'Headwater']) {
        const shown = panelNamed(page, `${title} (${whose})`);
        await expect(shown).toBeVisible();
        await expect(shown.getByTestId('data-testid Panel loading bar')).toHaveCount(0);
        await expect(shown.getByText('No data', { exact: true })).toHaveCount(0);
        await expect(shown.getByTestId('data-testid Panel status error')).toHaveCount(0);
      }
    }
    await page.screenshot({ path: screenshotPath(`switched-dashboard-${theme}`) });

    for (const { id, title } of PANELS) {
      const [before, after] = [id, id + SWITCHED].map((panel) =>
        answers.filter((answer) => answer.panel === panel).at(-1)
      );
      expect(before?.dataSource, title).toBe(prometheus.uid);
      expect(after?.dataSource, title).toBe(remoteDataSource.uid);
      const frames = framesOf(before as Answer);
      // Equal because both are empty would prove nothing.
      expect(JSON.stringify(frames), title).toContain('"values":[[1');
      expect(framesOf(after as Answer), title).toEqual(frames);
      const text = await textOf(page, `${title} (Prometheus)`);
      expect(await textOf(page, `${title} (Headwater)`), title).toBe(text);
      if (!title.startsWith('Latencies')) {
        expect(text, title).toMatch(/\d/);
      }
    }
  });
}

test('a variable switched over offers the same choices, and a choice is written the same', async ({
  dashboard,
  page,
  prometheus,
  remoteDataSource,
}) => {
  const answers = collectAnswers(page);
  const lookUp = (uid: string, path: string) =>
    page.waitForResponse((answer) => answer.url().includes(`/api/datasources/uid/${uid}/resources/${path}`));
  const lookUps = [lookUp(prometheus.uid, 'api/v1/label/job/values'), lookUp(remoteDataSource.uid, 'variable-query')];
  await page.goto(`${dashboard.url}?var-job=node&var-job_switched=node`);
  const [before, after] = await Promise.all(lookUps.map(async (answer) => (await answer).json()));
  expect(before.data).toEqual(expect.arrayContaining(['node', 'prometheus']));
  expect(after.map(({ text }: { text: string }) => text)).toEqual(before.data);
  for (const name of ['job', 'job_switched']) {
    await expect(page.getByTestId(`data-testid Dashboard template variables submenu Label ${name}`)).toBeVisible();
  }

  const ofPanel = (panel: number) => answers.filter((answer) => answer.panel === panel).at(-1);
  await expect.poll(() => ofPanel(2) && ofPanel(2 + SWITCHED)).toBeTruthy();
  expect(JSON.stringify(ofPanel(2))).toContain('scrape_duration_seconds{job=~\\"node\\"}');
  expect(framesOf(ofPanel(2 + SWITCHED) as Answer)).toEqual(framesOf(ofPanel(2) as Answer));
});

test('an annotation switched over marks the same times with the same words', async ({
  dashboard,
  page,
  prometheus,
  remoteDataSource,
}) => {
  const answers = collectAnswers(page);
  await page.goto(`${dashboard.url}?viewPanel=1`);
  const ofAnnotation = (uid: string) =>
    answers.filter(({ dataSource, results }) => dataSource === uid && !('A' in results)).at(-1);
  await expect.poll(() => ofAnnotation(prometheus.uid) && ofAnnotation(remoteDataSource.uid)).toBeTruthy();
  const [before, after] = [prometheus.uid, remoteDataSource.uid].map((uid) => ofAnnotation(uid) as Answer);
  const [framesBefore, framesAfter] = [before, after].map((answer) => Object.values(answer?.results ?? {})[0]?.frames);
  expect(framesBefore?.length).toBeGreaterThan(0);
  expect(framesAfter?.map(({ data }) => data.values)).toEqual(framesBefore?.map(({ data }) => data.values));
  const markers = page.getByTestId('data-testid annotation-marker');
  await expect(markers.first()).toBeVisible();
  // As many of the one as of the other.
  expect((await markers.count()) % 2).toBe(0);
  await page.screenshot({ path: screenshotPath('switched-annotations') });
});
