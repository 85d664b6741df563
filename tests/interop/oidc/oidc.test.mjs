// A real OpenID provider: its keys are found by discovery, its tokens pass, its rotations are followed.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, afterEach, before, test } from 'node:test';

import { startDev, until } from '../dev.mjs';
import { AUDIENCE, CLIENT, OTHER_AUDIENCE, kidOf, newKey, newProvider, sign } from './provider.mjs';

const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'];
/** At most one look for a new key in so many milliseconds. */
const BETWEEN_LOOKS = 10_000;

let backend;
let provider;
let proxies = [];

before(async () => {
  backend = http.createServer((request, response) => {
    response.end(request.headers['x-endpoint-api-userinfo'] ?? 'nobody');
  });
  await new Promise((ready) => backend.listen(0, '127.0.0.1', ready));
});

afterEach(async () => {
  await Promise.all(proxies.map((proxy) => proxy.stop()));
  proxies = [];
  await provider?.stop().catch(() => {});
});

after(() => backend.close());

const manifest = (issuer) => `
apiVersion: endpoints.dev/v1alpha1
kind: EndpointsService
metadata: {name: books, namespace: shop}
spec:
  openapi:
    inline: |
      swagger: "2.0"
      info: {title: Books, version: "1"}
      host: books.example.com
      securityDefinitions:
        access: {type: oauth2, flow: application, tokenUrl: "${issuer}/token", scopes: {write: change}, x-google-issuer: "${issuer}"}
        person: {type: oauth2, flow: implicit, authorizationUrl: "", x-google-issuer: "${issuer}", x-google-audiences: "${CLIENT}"}
      paths:
        /books:
          get: {security: [{access: []}], responses: {200: {description: ok}}}
          post: {security: [{access: [write]}], responses: {200: {description: ok}}}
        /me: {get: {security: [{person: []}], responses: {200: {description: ok}}}}
  jwt: {audiences: Exclusive}
`;

/** The proxy in front of the backend, with a function that asks it. */
async function startProxy() {
  const url = `http://127.0.0.1:${backend.address().port}`;
  const proxy = await startDev(manifest(provider.issuer), url, '--issuers', 'real');
  proxies.push(proxy);
  const ask = async (token, method = 'GET', path = '/books') => {
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const answer = await fetch(`http://127.0.0.1:${proxy.port}${path}`, { method, headers });
    const body = await answer.text();
    return answer.ok
      ? { status: answer.status, claims: JSON.parse(Buffer.from(body, 'base64url')) }
      : { status: answer.status, reason: JSON.parse(body).reason };
  };
  return ask;
}

/** Asks until the keys are there: a proxy serves before they are. */
const accepted = (ask, token, ...more) =>
  until(async () => {
    const answer = await ask(token, ...more);
    return answer.status === 200 && answer;
  }, 'the token is accepted');

test('access tokens pass by keys that are found by discovery, whatever the algorithm', async () => {
  provider = await newProvider();
  await provider.start(await Promise.all(ALGORITHMS.map(newKey)));
  const ask = await startProxy();
  for (const alg of ALGORITHMS) {
    const { claims } = await accepted(ask, await provider.accessToken({ alg }));
    assert.equal(claims.iss, provider.issuer, alg);
    assert.equal(claims.aud, AUDIENCE, alg);
    assert.equal(claims.client_id, 'machine', alg);
  }
  assert.equal(provider.fetches, 1);
});

test('ID tokens pass where the client is the audience, and nowhere else', async () => {
  provider = await newProvider();
  await provider.start([await newKey('RS256')]);
  const ask = await startProxy();
  const token = await provider.idToken();
  const { claims } = await accepted(ask, token, 'GET', '/me');
  assert.deepEqual([claims.sub, claims.aud], ['me', CLIENT]);
  assert.deepEqual(await ask(token), { status: 403, reason: 'TokenAudience' });
  const access = await provider.accessToken();
  assert.deepEqual(await ask(access, 'GET', '/me'), { status: 403, reason: 'TokenAudience' });
});

test('what a token lacks is told', async () => {
  provider = await newProvider();
  const key = await newKey('RS256');
  await provider.start([key]);
  const ask = await startProxy();
  await accepted(ask, await provider.accessToken());
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: provider.issuer, aud: AUDIENCE, sub: 'me', iat: now, exp: now + 60 };
  for (const [token, method, status, reason] of [
    [undefined, 'GET', 401, 'TokenMissing'],
    [await provider.accessToken({ audience: OTHER_AUDIENCE }), 'GET', 403, 'TokenAudience'],
    [await provider.accessToken({ scope: 'read' }), 'POST', 403, 'TokenScope'],
    [await sign(key, { ...claims, exp: now - 3600 }), 'GET', 401, 'TokenExpired'],
    [await sign(key, { ...claims, nbf: now + 3600 }), 'GET', 401, 'TokenNotYetValid'],
    [await sign(key, { ...claims, iss: 'https://other.example.com' }), 'GET', 401, 'TokenIssuer'],
    [await sign({ ...(await newKey('RS256')), kid: key.kid }, claims), 'GET', 401, 'TokenSignature'],
  ]) {
    assert.deepEqual(await ask(token, method), { status, reason }, reason);
  }
  assert.equal((await ask(await provider.accessToken({ scope: 'read write' }), 'POST')).status, 200);
});

test('a rotation is followed with few looks, and a key that is withdrawn is one no more', async () => {
  provider = await newProvider();
  const [old, fresh] = [await newKey('RS256'), await newKey('RS256')];
  await provider.start([old]);
  const ask = await startProxy();
  const before = await provider.accessToken();
  assert.equal(kidOf(before), old.kid);
  await accepted(ask, before);

  // A key is added, and signs; the old one is still good.
  await provider.stop();
  await provider.start([fresh, old]);
  let looked = Date.now();
  const during = await provider.accessToken();
  assert.equal(kidOf(during), fresh.kid);
  await accepted(ask, during);
  assert.equal((await ask(before)).status, 200);
  assert.ok(provider.fetches <= 2 + (Date.now() - looked) / BETWEEN_LOOKS, `${provider.fetches} looks`);

  // The old ones are gone: the look for the newest key tells.
  const newest = await newKey('RS256');
  await provider.stop();
  await provider.start([newest]);
  looked = Date.now();
  const fetches = provider.fetches;
  await accepted(ask, await provider.accessToken());
  for (const token of [before, during]) {
    assert.deepEqual(await ask(token), { status: 401, reason: 'TokenKeyUnknown' });
  }
  assert.ok(provider.fetches - fetches <= 2 + (Date.now() - looked) / BETWEEN_LOOKS, `${provider.fetches} looks`);
});

test('while the provider is down, tokens of known keys pass and others do not', async () => {
  provider = await newProvider();
  const key = await newKey('RS256');
  await provider.start([key]);
  const ask = await startProxy();
  await accepted(ask, await provider.accessToken());
  const unseen = await provider.accessToken();
  await provider.stop();
  assert.equal((await ask(unseen)).status, 200);
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: provider.issuer, aud: AUDIENCE, sub: 'me', iat: now, exp: now + 60 };
  const unknown = await sign(await newKey('RS256'), claims);
  assert.deepEqual(await ask(unknown), { status: 401, reason: 'TokenKeyUnknown' });
});

test('a provider that was down at the start is found when it comes up', async () => {
  provider = await newProvider();
  const key = await newKey('RS256');
  await provider.start([key]);
  const token = await provider.accessToken();
  await provider.stop();
  const ask = await startProxy();
  assert.deepEqual(await ask(token), { status: 503, reason: 'KeysUnavailable' });
  await provider.start([key]);
  await accepted(ask, token);
});
