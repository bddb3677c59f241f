/**
 * Specs against a real Grafana that has the plugin:
 *
 *   GRAFANA_URL      http://localhost:3000, as the compose file starts it
 *   GRAFANA_ADMIN_PASSWORD  the password of its user admin
 *   PROMETHEUS_URL   a Prometheus that scrapes itself, as Grafana's server reaches it
 *   CHROMIUM_PATH    a Chromium of the system, where Playwright's own is not installed
 */
import { existsSync } from 'node:fs';

import type { PluginOptions } from '@grafana/plugin-e2e';
import { defineConfig, devices } from '@playwright/test';

const systemChromium = [process.env.CHROMIUM_PATH, '/usr/bin/chromium'].find((file) => file && existsSync(file));

export default defineConfig<PluginOptions>({
  testDir: './e2e',
  outputDir: './artifacts/e2e',
  reporter: [['list']],
  forbidOnly: Boolean(process.env.CI),
  // One Grafana, two cores: side by side the specs would only wait for each other.
  workers: 1,
  timeout: 90_000,
  expect: { timeout: 20_000 },
  use: {
    baseURL: process.env.GRAFANA_URL ?? 'http://localhost:3000',
    viewport: { width: 1400, height: 900 },
    screenshot: 'only-on-failure',
    trace: 'retain-on-failure',
    launchOptions: {
      ...(systemChromium ? { executablePath: systemChromium } : {}),
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
    },
  },
  projects: [
    {
      name: 'chromium',
      use: {
        ...devices['Desktop Chrome'],
        viewport: { width: 1400, height: 900 },
      },
    },
  ],
});
