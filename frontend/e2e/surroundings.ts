/** Where the specs find what they test against, and the data source that most of them ask. */
import { test as base } from '@grafana/plugin-e2e';
import type { Page } from '@playwright/test';

export { expect } from '@grafana/plugin-e2e';

export const PLUGIN_ID = 'headwater-metrics-datasource';

/** A Prometheus that scrapes itself, as Grafana's server reaches it. */
export const PROMETHEUS_URL = process.env.PROMETHEUS_URL ?? 'http://prometheus:9090';

/** A page with more metrics than are shown at once, as Grafana's server reaches it: that Prometheus's own, or an exporter's. */
export const EXPORTER_URL = process.env.EXPORTER_URL ?? `${PROMETHEUS_URL}/metrics`;

/** A port at which nothing listens, on the machine of Grafana's server. */
export const NOBODY_URL = 'http://127.0.0.1:9';

/** Where a spec leaves a picture for someone to look at. */
export function screenshotPath(name: string): string {
  return `artifacts/screenshots/${name}.png`;
}

/** A panel of a dashboard by its title. */
export function panelNamed(page: Page, title: string) {
  return page.locator(`section[data-testid="data-testid Panel header ${title}"]`);
}

export type Theme = 'light' | 'dark';
export const THEMES: readonly Theme[] = ['light', 'dark'];

/** A data source by which a panel, or Grafana's API, names it. */
export interface NamedDataSource {
  uid: string;
  name: string;
}

interface Fixtures {
  /** How often the data source takes its server to scrape; `test.use({ scrapeInterval: '5s' })`. */
  scrapeInterval: string;
  /** After how many entries its lists are cut; `test.use({ seriesLimit: 1 })`. */
  seriesLimit: number | undefined;
  /** In which of its themes Grafana shows its pages to the user; `test.use({ theme: 'dark' })`. */
  theme: Theme | undefined;
  /** Asks the Prometheus, in remote mode, and is gone when the test has ended. */
  remoteDataSource: NamedDataSource;
  chosenTheme: void;
}

/**
 * Grafana's test with a login of its own: Grafana exchanges a session's token after ten minutes, and a login kept in a
 * file for all tests would be worth nothing from then on.
 */
export const signedIn = base.extend({
  storageState: async ({ baseURL, playwright, user }, use) => {
    const visitor = await playwright.request.newContext({ baseURL });
    const answer = await visitor.post('/login', { data: user });
    if (!answer.ok()) {
      throw new Error(`logging in as ${user?.user}: status ${answer.status()}: ${await answer.text()}`);
    }
    await use(await visitor.storageState());
    await visitor.dispose();
  },
});

/** That test with that data source. */
export const test = signedIn.extend<Fixtures>({
  scrapeInterval: ['15s', { option: true }],
  seriesLimit: [undefined, { option: true }],
  theme: [undefined, { option: true }],
  chosenTheme: [
    async ({ request, theme }, use) => {
      const preferences = '/api/user/preferences';
      const before = await (await request.get(preferences)).json();
      if (theme) {
        await request.patch(preferences, { data: { theme } });
      }
      await use();
      if (theme) {
        // Without a choice, Grafana is dark.
        await request.patch(preferences, { data: { theme: before.theme || 'dark' } });
      }
    },
    { auto: true },
  ],
  // A page lists the data sources that were there when it was loaded, so this comes before any page.
  remoteDataSource: [
    async ({ createDataSource, request, scrapeInterval, seriesLimit }, use) => {
      const made = await createDataSource({
        type: PLUGIN_ID,
        url: PROMETHEUS_URL,
        access: 'proxy',
        jsonData: { engine: 'remote', timeInterval: scrapeInterval, seriesLimit },
      });
      await use(made);
      await request.delete(`/api/datasources/uid/${made.uid}`);
    },
    { auto: true },
  ],
});
