/**
 * Specs of the page that `demo` and `serve` show, in a real Chromium:
 *
 *   HEADWATER_BIN    the program, built after the page was (`go run mage.go page`)
 *   CHROMIUM_PATH    a Chromium, where it is not /usr/bin/chromium
 *   SCREENSHOTS      a folder for pictures of the page, where somebody wants to look at them
 */
import { existsSync } from 'node:fs';

import { defineConfig } from '@playwright/test';

const chromium = [process.env.CHROMIUM_PATH, '/usr/bin/chromium'].find((file) => file && existsSync(file));

export default defineConfig({
  testDir: './e2e',
  outputDir: '../artifacts/page',
  reporter: [['list']],
  forbidOnly: Boolean(process.env.CI),
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 20_000 },
  use: {
    viewport: { width: 1400, height: 1000 },
    trace: 'retain-on-failure',
    launchOptions: {
      ...(chromium ? { executablePath: chromium } : {}),
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
    },
  },
});
