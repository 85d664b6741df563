// Scripts of several sites against the real proxy: what the browser lets them read, and what it asks.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { startDev, until } from '../dev.mjs';
import { startBackend } from './backend.mjs';
import { manifest } from './manifests.mjs';
import { ask, askFromSandbox, startBrowser } from './pages.mjs';
import { startRelay } from './relay.mjs';

const OPERATION = '{responses: {200: {description: ok}}}';
const BLOCKED = { blocked: 'TypeError' };

let browser, backend, relay;
const proxies = {};
const urls = {};
const sites = {};

before(async () => {
  [browser, backend] = await Promise.all([startBrowser(), startBackend()]);
  sites.shop = browser.site('shop.localhost');
  sites.otherPort = browser.site('shop.localhost', true);
  sites.branch = browser.site('a.shop.localhost');
  sites.admin = browser.site('admin.localhost');
  sites.evil = browser.site('evil.localhost');
  const own = (rules, methods = `get: ${OPERATION}`) => `{x-endpoints-cors: ${rules}, ${methods}}`;
  const manifests = {
    listed: manifest({
      cors: `cors: {allowOrigins: ["${sites.shop}", "${sites.otherPort}"], allowCredentials: true, exposeHeaders: [X-Listed, Content-Length], maxAge: 10m}`,
      paths: `
        /admin: ${own(`{allowOrigins: ["${sites.admin}"]}`)}
        /off: ${own('false')}
        /never-kept: ${own(`{allowOrigins: ["${sites.shop}"], maxAge: 0s}`)}
        /few: ${own(`{allowOrigins: ["${sites.shop}"], allowMethods: [GET], allowHeaders: [X-Api-Key]}`, `get: ${OPERATION}, put: ${OPERATION}`)}`,
    }),
    star: manifest({ cors: 'cors: {}' }),
    regex: manifest({
      cors: `cors: {allowOriginRegex: "http://[a-z]+\\\\.shop\\\\.localhost:[0-9]+|.*null"}`,
    }),
    nulls: manifest({ cors: 'cors: {allowOrigins: ["null"]}' }),
    through: manifest({ endpoint: 'x-google-endpoints: [{name: books.example.com, allowCors: true}]' }),
    small: manifest({ cors: 'cors: {}\n  limits: {bodyBytes: 4}' }),
    none: manifest({}),
  };
  const start = async (name, text, to) => {
    proxies[name] = await startDev(text, to, '--issuers', 'embedded');
    // Of one site with the shop (its cookies go along), of another origin.
    urls[name] = `http://api.shop.localhost:${proxies[name].port}`;
  };
  await Promise.all([
    ...Object.entries(manifests).map(([name, text]) => start(name, text, backend.url)),
    start('away', manifests.star, 'http://127.0.0.1:1'),
  ]);
  relay = await startRelay(proxies.listed.port);
  urls.counted = `http://api.shop.localhost:${relay.port}`;
});

beforeEach(() => {
  backend.forget();
  relay.preflights = 0;
});

after(async () => {
  await Promise.all([...Object.values(proxies).map((proxy) => proxy.stop()), browser?.close()]);
  relay?.close();
  backend?.close();
});

const bearer = (token) => ({ headers: { Authorization: `Bearer ${token}` } });
const reason = (answer) => [answer.status, JSON.parse(answer.body ?? '{}').reason];

test('a simple request is read by the sites that are listed', async () => {
  for (const site of [sites.shop, sites.otherPort]) {
    const answer = await ask(await browser.open(site), `${urls.listed}/open`);
    assert.deepEqual([answer.status, answer.body], [200, 'GET'], site);
  }
  backend.forget();
  for (const site of [sites.evil, sites.branch, sites.admin]) {
    assert.deepEqual(await ask(await browser.open(site), `${urls.listed}/open`), BLOCKED, site);
  }
  // It is the browser that keeps the answer: the requests came.
  assert.equal(backend.take('/open').length, 3);
});

test('a token goes along after a preflight that never reaches the backend', async () => {
  const { TOKEN } = proxies.listed.tokens;
  const page = await browser.open(sites.shop);
  const answer = await ask(page, `${urls.counted}/closed`, bearer(TOKEN));
  assert.deepEqual([answer.status, answer.body], [200, 'GET']);
  assert.equal(relay.preflights, 1);
  const [seen, ...more] = backend.take('/closed');
  assert.equal(more.length, 0);
  assert.equal(seen.method, 'GET');
  assert.ok(seen.headers['x-endpoint-api-userinfo']);
});

test('a site that is not listed gets no further than its preflight', async () => {
  const page = await browser.open(sites.evil);
  for (const path of ['/closed', '/nowhere', '/off']) {
    const answer = await ask(page, urls.listed + path, bearer(proxies.listed.tokens.TOKEN));
    assert.deepEqual(answer, BLOCKED, path);
  }
  assert.deepEqual(await ask(page, `${urls.listed}/open`, { method: 'PUT' }), BLOCKED);
  for (const path of ['/closed', '/nowhere', '/off', '/open']) {
    assert.deepEqual(backend.take(path), [], path);
  }
});

test('a script reads why it was refused', async () => {
  const page = await browser.open(sites.shop);
  const { TOKEN, EXPIRED_TOKEN, WRONG_AUDIENCE_TOKEN } = proxies.listed.tokens;
  const key = { headers: { 'X-Api-Key': 'k' } };
  for (const [path, init, status, why] of [
    ['/closed', {}, 401, 'TokenMissing'],
    ['/closed', bearer(EXPIRED_TOKEN), 401, 'TokenExpired'],
    ['/closed', bearer(`${TOKEN}x`), 401, 'TokenMalformed'],
    ['/closed', bearer(WRONG_AUDIENCE_TOKEN), 403, 'TokenAudience'],
    ['/nowhere', bearer(TOKEN), 404, 'RouteNotFound'],
    ['/nowhere', {}, 404, 'RouteNotFound'],
    ['/open', { method: 'DELETE' }, 405, 'MethodNotAllowed'],
    ['/%zz', key, 400, 'BadPath'],
    ['/broken', key, 502, 'BackendReset'],
    ['/late', key, 504, 'BackendTimeout'],
  ]) {
    const answer = await ask(page, urls.listed + path, init);
    assert.deepEqual(answer.blocked ?? reason(answer), [status, why], path);
  }
  const away = await ask(page, `${urls.away}/open`, key);
  assert.deepEqual(away.blocked ?? reason(away), [503, 'BackendUnreachable']);
  const large = await ask(page, `${urls.small}/open`, { method: 'POST', body: 'large' });
  assert.deepEqual(large.blocked ?? reason(large), [413, 'BodyTooLarge']);
  const failed = await ask(page, `${urls.listed}/fails`);
  assert.deepEqual([failed.status, failed.body], [500, 'the backend failed']);
});

test('a script reads the headers that are exposed and no others', async () => {
  const { headers } = await ask(await browser.open(sites.shop), `${urls.listed}/open`);
  assert.equal(headers['x-listed'], 'listed');
  assert.equal(headers['content-length'], '3');
  // The backend exposes this one; the proxy does not.
  assert.equal(headers['x-hidden'], undefined);
});

test('cookies go along where credentials are allowed, and nowhere else', async () => {
  const page = await browser.open(sites.shop);
  const include = { credentials: 'include' };
  assert.equal((await ask(page, `${urls.listed}/login`, include)).body, 'welcome');
  assert.equal((await ask(page, `${urls.listed}/me`, include)).body, 'session=secret');
  for (const credentials of ['omit', 'same-origin']) {
    assert.equal((await ask(page, `${urls.listed}/me`, { credentials })).body, 'nobody');
  }
  // `*` is not for cookies.
  assert.deepEqual(await ask(page, `${urls.star}/me`, include), BLOCKED);
  assert.equal((await ask(page, `${urls.star}/me`)).body, 'nobody');
});

test('any site reads where any origin is allowed', async () => {
  const page = await browser.open(sites.evil);
  assert.equal((await ask(page, `${urls.star}/open`)).status, 200);
  const { TOKEN } = proxies.star.tokens;
  assert.equal((await ask(page, `${urls.star}/closed`, bearer(TOKEN))).status, 200);
  assert.deepEqual(reason(await ask(page, `${urls.star}/nowhere`)), [404, 'RouteNotFound']);
});

test('a preflight is kept for as long as it says', async () => {
  const page = await browser.open(sites.shop);
  const key = { headers: { 'X-Api-Key': 'k' } };
  for (let time = 0; time < 3; time += 1) {
    assert.equal((await ask(page, `${urls.counted}/open`, key)).status, 200);
  }
  assert.equal(relay.preflights, 1);
  for (let time = 0; time < 3; time += 1) {
    assert.equal((await ask(page, `${urls.counted}/never-kept`, key)).status, 200);
  }
  assert.equal(relay.preflights, 4);
  const seen = [...backend.take('/open'), ...backend.take('/never-kept')];
  assert.deepEqual(new Set(seen.map(({ method }) => method)), new Set(['GET']));
});

test('the browser compares methods and headers with the lists', async () => {
  const page = await browser.open(sites.shop);
  const few = `${urls.listed}/few`;
  assert.equal((await ask(page, few, { headers: { 'X-Api-Key': 'k' } })).status, 200);
  assert.deepEqual(await ask(page, few, { headers: { 'X-Other': 'k' } }), BLOCKED);
  assert.deepEqual(await ask(page, few, { method: 'PUT' }), BLOCKED);
  assert.equal(backend.take('/few').length, 1);
});

test('a cache does not hand the answer for one site to another', async () => {
  // Two origins of one site share Chromium's cache: only `Vary: Origin` keeps their answers apart.
  const page = await browser.open(sites.shop);
  const neighbour = await browser.open(sites.otherPort, { beside: page });
  const cached = `${urls.listed}/cached`;
  for (const one of [page, page, neighbour, neighbour]) {
    assert.equal((await ask(one, cached)).body, 'cached');
  }
  const origins = backend.take('/cached').map(({ headers }) => headers.origin);
  assert.equal(origins[0], sites.shop);
  assert.ok(origins.length < 4, 'the page that asks again is served from the cache');
});

test('an expression admits the sites that match it whole', async () => {
  assert.equal((await ask(await browser.open(sites.branch), `${urls.regex}/open`)).status, 200);
  for (const site of [sites.shop, sites.evil, browser.site('a.b.shop.localhost'), browser.site('a.shop.localhost.evil.localhost')]) {
    assert.deepEqual(await ask(await browser.open(site), `${urls.regex}/open`), BLOCKED, site);
  }
});

test('the origin null is admitted only where it is listed', async () => {
  const page = await browser.open(sites.shop);
  for (const [name, expected] of [
    ['nulls', { status: 200, origin: 'null' }],
    ['star', { status: 200, origin: 'null' }],
    ['listed', { ...BLOCKED, origin: 'null' }],
    ['regex', { ...BLOCKED, origin: 'null' }],
  ]) {
    assert.deepEqual(await askFromSandbox(page, `${urls[name]}/open`), expected, name);
  }
});

test('an operation has its own rule', async () => {
  const [shop, admin] = [await browser.open(sites.shop), await browser.open(sites.admin)];
  const key = { headers: { 'X-Api-Key': 'k' } };
  assert.equal((await ask(admin, `${urls.listed}/admin`, key)).status, 200);
  assert.deepEqual(await ask(shop, `${urls.listed}/admin`, key), BLOCKED);
  assert.deepEqual(await ask(admin, `${urls.listed}/open`, key), BLOCKED);
  assert.deepEqual(await ask(shop, `${urls.listed}/off`), BLOCKED);
});

test('redirects are followed within the API and to where others are admitted', async () => {
  const page = await browser.open(sites.shop);
  assert.equal((await ask(page, `${urls.listed}/moved`)).body, 'GET');
  // To another origin a redirect brings the origin null along.
  const to = (name) => `${urls.listed}/elsewhere?to=${encodeURIComponent(`${urls[name]}/open`)}`;
  assert.equal((await ask(page, to('star'))).status, 200);
  assert.equal((await ask(page, to('nulls'))).status, 200);
  assert.deepEqual(await ask(page, to('regex')), BLOCKED);
});

test('allowCors leaves preflights to the backend, and refusals can be read', async () => {
  const page = await browser.open(sites.evil);
  const put = (token) => ({ method: 'PUT', ...bearer(token) });
  const { TOKEN, EXPIRED_TOKEN } = proxies.through.tokens;
  assert.equal((await ask(page, `${urls.through}/own`, put(TOKEN))).body, 'own');
  const seen = backend.take('/own').map(({ method }) => method);
  assert.deepEqual(seen, ['OPTIONS', 'PUT']);
  assert.deepEqual(reason(await ask(page, `${urls.through}/own`, put(EXPIRED_TOKEN))), [401, 'TokenExpired']);
  // The backend admits another site here.
  assert.deepEqual(await ask(page, `${urls.through}/open`), BLOCKED);
});

test('without CORS nothing is readable from another site', async () => {
  const page = await browser.open(sites.shop);
  assert.deepEqual(await ask(page, `${urls.none}/open`), BLOCKED);
  assert.deepEqual(await ask(page, `${urls.none}/closed`, bearer(proxies.none.tokens.TOKEN)), BLOCKED);
});

test('server-sent events arrive one by one where the site is admitted', async () => {
  const listen = (page, withCredentials) =>
    page.evaluate(
      ([url, withCredentials]) => {
        window.heard = [];
        const source = new EventSource(url, { withCredentials });
        source.onmessage = (event) => window.heard.push(event.data);
        source.onerror = () => {
          window.heard.push('error');
          source.close();
        };
      },
      [`${urls.listed}/events`, withCredentials],
    );
  const heard = (page) => page.evaluate(() => window.heard);
  for (const withCredentials of [false, true]) {
    const page = await browser.open(sites.shop);
    await listen(page, withCredentials);
    await until(async () => (await heard(page)).length > 0, 'the first event');
    assert.deepEqual(await heard(page), ['one']);
    backend.release('/events');
    await until(async () => (await heard(page)).length > 2, 'the end');
    assert.deepEqual(await heard(page), ['one', 'two', 'error']);
  }
  const evil = await browser.open(sites.evil);
  await listen(evil, false);
  await until(async () => (await heard(evil)).length > 0, 'the refusal');
  assert.deepEqual(await heard(evil), ['error']);
});

test('a body is read as it comes', async () => {
  const page = await browser.open(sites.shop);
  const read = () =>
    page.evaluate(async () => {
      const { value, done } = await window.reader.read();
      return done ? null : new TextDecoder().decode(value);
    });
  await page.evaluate(async (url) => {
    window.reader = (await fetch(url)).body.getReader();
  }, `${urls.listed}/stream`);
  assert.equal(await read(), 'first');
  backend.release('/stream');
  assert.equal(await read(), 'last');
  assert.equal(await read(), null);
});

test('a WebSocket opens for the sites that are admitted, and no other gets to the backend', async () => {
  const open = (page, name) =>
    page.evaluate(
      (url) =>
        new Promise((told) => {
          const heard = [];
          const socket = new WebSocket(url);
          socket.onmessage = (event) => heard.push(event.data);
          socket.onerror = () => heard.push('error');
          socket.onclose = () => told(heard);
        }),
      `${urls[name].replace('http', 'ws')}/socket`,
    );
  const [shop, evil] = [await browser.open(sites.shop), await browser.open(sites.evil)];
  for (const [page, name, expected] of [
    [shop, 'listed', ['hello']],
    [evil, 'star', ['hello']],
    [evil, 'none', ['hello']],
    [evil, 'listed', ['error']],
    [shop, 'nulls', ['error']],
    [evil, 'regex', ['error']],
  ]) {
    backend.forget();
    assert.deepEqual(await open(page, name), expected, name);
    assert.equal(backend.take('/socket').length, expected[0] === 'hello' ? 1 : 0, name);
  }
});
