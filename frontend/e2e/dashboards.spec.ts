/** Variables, annotations and ad-hoc filters of a dashboard, an alert rule that fires, and the help in Explore. */
import { expect, type NamedDataSource, panelNamed, PLUGIN_ID, screenshotPath, test } from './surroundings';

test.use({ scrapeInterval: '5s' });

function reference({ uid }: NamedDataSource) {
  return { type: PLUGIN_ID, uid };
}

/** A dashboard with one table panel, by Grafana's API. */
function dashboard(dataSource: NamedDataSource, parts: Record<string, unknown>, expr: string) {
  return {
    title: `Headwater ${Date.now()}`,
    schemaVersion: 41,
    time: { from: 'now-15m', to: 'now' },
    panels: [
      {
        id: 1,
        type: 'timeseries',
        title: 'Panel',
        gridPos: { x: 0, y: 0, w: 24, h: 10 },
        datasource: reference(dataSource),
        targets: [{ refId: 'A', datasource: reference(dataSource), expr, range: true, legendFormat: '{{job}}' }],
      },
    ],
    ...parts,
  };
}

test('variables are chained, hold several values, and reach the query escaped', async ({
  remoteDataSource,
  page,
  request,
}) => {
  const list = [
    {
      name: 'job',
      type: 'query',
      datasource: reference(remoteDataSource),
      query: 'label_values(up, job)',
      refresh: 1,
      multi: true,
      includeAll: true,
      sort: 1,
    },
    {
      name: 'instance',
      type: 'query',
      datasource: reference(remoteDataSource),
      query: { refId: 'variable', qryType: 1, query: 'label_values(up{job=~"$job"}, instance)' },
      refresh: 1,
      regex: '/(.*:\\d+)/',
    },
    {
      name: 'metric',
      type: 'query',
      datasource: reference(remoteDataSource),
      query: 'metrics(prometheus_build.*)',
      refresh: 1,
    },
    {
      name: 'top',
      type: 'query',
      datasource: reference(remoteDataSource),
      query: 'query_result(topk(1, max_over_time(up[$__range])))',
      refresh: 2,
    },
    { name: 'series', type: 'query', datasource: reference(remoteDataSource), query: 'up{job="node"}', refresh: 1 },
    { name: 'label', type: 'query', datasource: reference(remoteDataSource), query: 'label_names()', refresh: 1 },
  ];
  const made = await request.post('/api/dashboards/db', {
    data: { dashboard: dashboard(remoteDataSource, { templating: { list } }, 'up{job=~"$job"}') },
  });
  const { url, uid } = await made.json();
  const asked = page.waitForRequest((sent) => sent.url().includes('/api/ds/query'));
  await page.goto(`${url}?var-job=node&var-job=prometheus`);
  expect((await asked).postDataJSON().queries[0].expr).toBe('up{job=~"(node|prometheus)"}');
  for (const text of ['node', 'prometheus', 'prometheus_build_info']) {
    await expect(page.getByText(text, { exact: true }).first()).toBeVisible();
  }
  await expect(page.getByText(/^[\w.-]+:\d+$/).first()).toBeVisible();
  await expect(page.getByText(/^up\{instance=/).first()).toBeVisible();
  await expect(panelNamed(page, 'Panel').locator('canvas').first()).toBeVisible();
  await page.screenshot({ path: screenshotPath('variables') });
  await request.delete(`/api/dashboards/uid/${uid}`);
});

test('the variable’s editor shows its parts and a preview', async ({ remoteDataSource, variableEditPage, page }) => {
  await variableEditPage.datasource.set(remoteDataSource.name);
  await page.getByRole('combobox', { name: /^Label/ }).fill('job');
  await page.getByRole('option', { name: 'job', exact: true }).click();
  await variableEditPage.runQuery();
  await expect(variableEditPage).toDisplayPreviews(['node', 'prometheus']);
  await page.screenshot({ path: screenshotPath('variable-editor'), fullPage: true });
});

test.describe('of a data source whose lists are cut after one entry', () => {
  test.use({ seriesLimit: 1 });

  test('a variable’s editor says that there are more choices than are listed', async ({
    remoteDataSource,
    variableEditPage,
    page,
  }) => {
    await variableEditPage.datasource.set(remoteDataSource.name);
    await page.getByRole('combobox', { name: /^Label/ }).fill('job');
    await page.getByRole('option', { name: 'job', exact: true }).click();
    await variableEditPage.runQuery();
    await expect(page.getByText('The list of choices ends after 1, and there are more.')).toBeVisible();
    await page.screenshot({ path: screenshotPath('variable-editor-cut'), fullPage: true });
  });
});

test('annotations have their titles and tags from labels', async ({ remoteDataSource, page, request }) => {
  const annotations = {
    list: [
      {
        name: 'Up',
        enable: true,
        iconColor: 'green',
        datasource: reference(remoteDataSource),
        expr: 'up{job="node"} == 1',
        step: '60s',
        titleFormat: '{{job}}',
        textFormat: '{{instance}} is up',
        tagKeys: 'job',
      },
    ],
  };
  const made = await request.post('/api/dashboards/db', {
    data: { dashboard: dashboard(remoteDataSource, { annotations }, 'up') },
  });
  const { url, uid } = await made.json();
  const asked = page.waitForRequest(
    (sent) => sent.url().includes('/api/ds/query') && (sent.postData() ?? '').includes('== 1')
  );
  await page.goto(url);
  const query = (await asked).postDataJSON().queries[0];
  expect(query).toMatchObject({ expr: 'up{job="node"} == 1', interval: '60s', range: true });
  const marker = page.getByTestId('data-testid annotation-marker').first();
  await marker.hover();
  await expect(page.getByText(/is up/).first()).toBeVisible();
  await page.screenshot({ path: screenshotPath('annotations') });
  await request.delete(`/api/dashboards/uid/${uid}`);
});

test('an ad-hoc filter restricts what a panel shows', async ({ remoteDataSource, page, request }) => {
  const list = [
    {
      name: 'filters',
      type: 'adhoc',
      datasource: reference(remoteDataSource),
      filters: [{ key: 'job', operator: '=', value: 'node' }],
    },
  ];
  const made = await request.post('/api/dashboards/db', {
    data: { dashboard: dashboard(remoteDataSource, { templating: { list } }, 'up') },
  });
  const { url, uid } = await made.json();
  const asked = page.waitForResponse((answer) => answer.url().includes('/api/ds/query'));
  await page.goto(url);
  const answer = await asked;
  expect(answer.request().postDataJSON().queries[0].adhocFilters).toEqual([
    { key: 'job', operator: 'equals', value: 'node' },
  ]);
  const { frames } = (await answer.json()).results.A;
  expect(frames).toHaveLength(1);
  expect(frames[0].schema.fields[1].labels.job).toBe('node');
  await expect(panelNamed(page, 'Panel').locator('canvas').first()).toBeVisible();
  await page.screenshot({ path: screenshotPath('ad-hoc-filter') });
  await request.delete(`/api/dashboards/uid/${uid}`);
});

test('an alert rule on the data source fires', async ({ remoteDataSource, request }) => {
  test.setTimeout(180_000);
  const folder = await (
    await request.post('/api/folders', { data: { title: `Headwater alerts ${Date.now()}` } })
  ).json();
  const made = await request.post('/api/v1/provisioning/alert-rules', {
    data: {
      title: `Up ${Date.now()}`,
      ruleGroup: 'headwater',
      folderUID: folder.uid,
      orgID: 1,
      for: '0s',
      noDataState: 'NoData',
      execErrState: 'Error',
      condition: 'B',
      data: [
        {
          refId: 'A',
          datasourceUid: remoteDataSource.uid,
          relativeTimeRange: { from: 600, to: 0 },
          model: { refId: 'A', expr: 'up{job="node"}', instant: true, range: false },
        },
        {
          refId: 'B',
          datasourceUid: '__expr__',
          relativeTimeRange: { from: 0, to: 0 },
          model: {
            refId: 'B',
            type: 'threshold',
            expression: 'A',
            conditions: [{ evaluator: { type: 'gt', params: [0] } }],
          },
        },
      ],
    },
  });
  expect(made.ok(), await made.text()).toBe(true);
  const { uid, title } = await made.json();
  await expect
    .poll(
      async () => {
        const state = await (await request.get('/api/prometheus/grafana/api/v1/rules')).json();
        const rules = state.data.groups.flatMap(
          (group: { rules: Array<{ name: string; state: string }> }) => group.rules
        );
        return rules.find((rule: { name: string }) => rule.name === title)?.state;
      },
      { timeout: 150_000, intervals: [2_000] }
    )
    .toBe('firing');
  await request.delete(`/api/v1/provisioning/alert-rules/${uid}`);
  await request.delete(`/api/folders/${folder.uid}?forceDeleteRules=true`);
});

test('the help in Explore has queries of this app, and a click takes one over', async ({
  remoteDataSource,
  explorePage,
  page,
}) => {
  await explorePage.datasource.set(remoteDataSource.name);
  // Where another data source was before, Explore has run the empty query, and keeps the help behind its button.
  await page.getByRole('button', { name: 'Show data source help' }).click();
  const example = page.getByRole('button', { name: /^sum\(rate\(/ }).first();
  await expect(example).toBeVisible();
  await page.screenshot({ path: screenshotPath('explore-help') });
  const expr = await example.innerText();
  await example.click();
  // Behind that button an example is only taken over: Grafana runs one by itself on the first page alone.
  await expect(page.getByTestId('headwater-raw-query')).toHaveText(expr);
  const answered = explorePage.waitForQueryDataResponse();
  await page.getByRole('button', { name: 'Run query' }).click();
  await expect(answered).toBeOK();
  await expect(explorePage.timeSeriesPanel.locator).toBeVisible();
});
