/** Starts the program as a person does, and ends it with the test. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect, test as base, type Page } from '@playwright/test';

const program = path.resolve(
  import.meta.dirname,
  '../../..',
  process.env.HEADWATER_BIN ?? 'target/debug/gpx_headwater'
);

export interface Started {
  url: string;
  end(): Promise<void>;
}

/** Starts a command and waits for the address that it prints. */
export async function start(...command: string[]): Promise<Started> {
  const child: ChildProcess = spawn(program, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stdout?.on('data', (bytes: Buffer) => {
      said += bytes.toString();
      const found = /(?:the page\s+|listens on )(http:\/\/[\d.:]+)/.exec(said);
      if (found?.[1]) {
        resolve(found[1]);
      }
    });
    child.once('error', reject);
    child.once('exit', (status) => reject(new Error(`${command.join(' ')} ended with ${status}: ${said}`)));
  });
  return {
    url,
    async end() {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        child.kill('SIGTERM');
        await ended;
      }
    },
  };
}

/** A page of metrics, or of anything else. */
export async function metricsPage(text: () => { status: number; body: string }): Promise<Started> {
  const server = createServer((_request, response) => {
    const { status, body } = text();
    response.writeHead(status, { 'Content-Type': 'text/plain; version=0.0.4' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/metrics`,
    async end() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A folder that goes with the test. */
export function folder(): { path: string; end(): Promise<void> } {
  const made = mkdtempSync(path.join(tmpdir(), 'headwater-page-'));
  return { path: made, end: async () => rmSync(made, { recursive: true, force: true }) };
}

/** Everything that a page asks for and complains about. */
export function watch(page: Page): { elsewhere: string[]; complaints: string[] } {
  const seen = { elsewhere: [] as string[], complaints: [] as string[] };
  page.on('request', (request) => {
    const { host, protocol } = new URL(request.url());
    if (protocol !== 'data:' && host !== new URL(page.url()).host && page.url() !== 'about:blank') {
      seen.elsewhere.push(request.url());
    }
  });
  page.on('pageerror', (error) => seen.complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') {
      seen.complaints.push(message.text());
    }
  });
  return seen;
}

/** A demo that all specs of a file look at. */
export const test = base.extend<object, { demo: Started }>({
  demo: [
    async ({}, use) => {
      const demo = await start('demo');
      await use(demo);
      await demo.end();
    },
    { scope: 'worker' },
  ],
});

export { expect };
