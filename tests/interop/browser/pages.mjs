// Pages of several sites, in one real Chromium.

import { createRequire } from 'node:module';
import http from 'node:http';
import path from 'node:path';

const { chromium } = createRequire(path.join(process.env.PACKAGES, 'package.json'))('playwright-core');

/** Serves one empty page on two ports of loopback, whatever the host, and starts the browser. */
export async function startBrowser() {
  const servers = await Promise.all([serve(), serve()]);
  const [port, otherPort] = servers.map((server) => server.address().port);
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    // Root may not have the sandbox; a proxy in the environment is not for loopback.
    args: ['--no-sandbox', '--no-proxy-server'],
  });
  return {
    /** A site: its origin. `*.localhost` is loopback to Chromium, without DNS. */
    site: (host, other = false) => `http://${host}:${other ? otherPort : port}`,
    /** Opens a page of a site, in a profile of its own, or in that of another page. */
    open: async (origin, { beside } = {}) => {
      const context = beside?.context() ?? (await browser.newContext());
      const page = await context.newPage();
      await page.goto(origin);
      return page;
    },
    close: async () => {
      await browser.close();
      for (const server of servers) server.close();
    },
  };
}

async function serve() {
  const server = http.createServer((_, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end('<!doctype html><title>a page</title>');
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return server;
}

/** What a script of the page gets to see of an answer; `{blocked}` when the browser keeps it. */
export function ask(page, url, init = {}) {
  return page.evaluate(
    async ([url, init]) => {
      try {
        const answer = await fetch(url, init);
        const body = await answer.text();
        return { status: answer.status, body, headers: Object.fromEntries(answer.headers) };
      } catch (error) {
        return { blocked: error.name };
      }
    },
    [url, init],
  );
}

/** The same, of a script in a frame that is cut off from its site: its origin is `null`. */
export function askFromSandbox(page, url) {
  return page.evaluate(
    (url) =>
      new Promise((told) => {
        addEventListener('message', (event) => told(event.data), { once: true });
        const frame = document.createElement('iframe');
        frame.sandbox = 'allow-scripts';
        frame.srcdoc = `<script>
          fetch(${JSON.stringify(url)}).then(
            (answer) => parent.postMessage({ status: answer.status, origin: self.origin }, '*'),
            (error) => parent.postMessage({ blocked: error.name, origin: self.origin }, '*'),
          );
        </script>`;
        document.body.append(frame);
      }),
    url,
  );
}
