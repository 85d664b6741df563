// The real proxy, by `endpoints dev`, for tests that talk to it from outside.

import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** How long something that is bound to happen may take, in milliseconds. */
export const SOON = 30_000;

/**
 * Starts `endpoints dev` under a manifest, on a free port.
 * Returns its address, the tokens that it printed (by name), and what it says on stderr.
 */
export async function startDev(manifest, backend, ...more) {
  const folder = await mkdtemp(path.join(tmpdir(), 'endpoints-'));
  const file = path.join(folder, 'manifest.yaml');
  await writeFile(file, manifest);
  const child = spawn(
    process.env.ENDPOINTS,
    ['dev', file, '--listen', '127.0.0.1:0', '--backend', backend, ...more],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let [out, said] = ['', ''];
  const port = await new Promise((found, failed) => {
    const late = setTimeout(() => failed(new Error(`not listening: ${said}`)), SOON);
    // Two pipes have no order between them: what stderr says last may be read before the tokens are.
    // The commands to paste follow the tokens.
    const look = () => {
      const listening = said.match(/listening on http:\/\/127\.0\.0\.1:(\d+)/);
      if (listening && /^curl .*\n/m.test(out)) {
        clearTimeout(late);
        found(Number(listening[1]));
      }
    };
    child.stdout.on('data', (bytes) => {
      out += bytes;
      look();
    });
    child.stderr.on('data', (bytes) => {
      said += bytes;
      look();
    });
    child.on('exit', (code) => failed(new Error(`exit ${code}: ${said}`)));
  });
  const tokens = Object.fromEntries(
    [...out.matchAll(/^export (\w*TOKEN)=(.+)$/gm)].map(([, name, token]) => [name, token]),
  );
  return {
    port,
    tokens,
    said: () => said,
    stop: async () => {
      const ended = new Promise((done) => child.on('exit', done));
      child.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

/** Waits until `what` returns something true. */
export async function until(what, why) {
  const end = Date.now() + SOON;
  for (;;) {
    const found = await what();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${SOON} ms: ${why}`);
    await new Promise((again) => setTimeout(again, 20));
  }
}
