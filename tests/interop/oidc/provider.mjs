// A real OpenID provider on loopback, whose keys can be changed by restarting it.

import http from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const packaged = (file) => import(pathToFileURL(path.join(process.env.PACKAGES, 'node_modules', file)));
const { Provider } = await packaged('oidc-provider/lib/index.js');
const jose = await packaged('jose/dist/webapi/index.js');

/** What access tokens are for: the API's audience, or another one. */
export const AUDIENCE = 'https://books.example.com';
export const OTHER_AUDIENCE = 'https://films.example.com';
/** A client that people log in to; what its ID tokens are for. */
export const CLIENT = 'web';
const CALLBACK = 'http://127.0.0.1/callback';
const SECRET = 'not much of a secret';

/** A private key for an algorithm. */
export async function newKey(alg) {
  const { privateKey } = await jose.generateKeyPair(alg, { extractable: true });
  const jwk = await jose.exportJWK(privateKey);
  const kid = await jose.calculateJwkThumbprint(jwk);
  return { ...jwk, alg, use: 'sig', kid };
}

/** A token of claims of our own, signed as the provider would, had it this key. */
export async function sign(key, claims) {
  const header = { alg: key.alg, kid: key.kid, typ: 'at+jwt' };
  return new jose.SignJWT(claims).setProtectedHeader(header).sign(await jose.importJWK(key, key.alg));
}

export const kidOf = (token) => jose.decodeProtectedHeader(token).kid;

/** A provider that is not running yet; its issuer is the address that it will have. */
export async function newProvider() {
  // The port is kept for restarts.
  const port = await new Promise((found) => {
    const probe = http.createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => found(port));
    });
  });
  const issuer = `http://127.0.0.1:${port}`;
  let server;
  const provider = {
    issuer,
    /** How often its keys were fetched. */
    fetches: 0,
    start: async (keys) => {
      const app = new Provider(issuer, configuration(keys)).callback();
      server = http.createServer((request, response) => {
        if (request.url === '/jwks') provider.fetches += 1;
        // Nobody keeps a connection to a provider that is restarted.
        response.setHeader('Connection', 'close');
        app(request, response);
      });
      await new Promise((ready) => server.listen(port, '127.0.0.1', ready));
    },
    stop: async () => {
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
    },
    /** An access token by the client credentials grant (RFC 6749 4.4, RFC 8707, RFC 9068). */
    accessToken: async ({ alg = 'RS256', scope = 'read', audience = AUDIENCE } = {}) => {
      const answer = await post(`${issuer}/token`, {
        grant_type: 'client_credentials',
        resource: `${audience}/${alg}`,
        scope,
      }, 'machine');
      return answer.access_token;
    },
    /** An ID token, as a person gets it: login, consent, code. */
    idToken: () => idToken(issuer),
  };
  return provider;
}

function configuration(keys) {
  return {
    clients: [
      { client_id: 'machine', client_secret: SECRET, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] },
      { client_id: CLIENT, client_secret: SECRET, redirect_uris: [CALLBACK] },
    ],
    cookies: { keys: ['for', 'tests'] },
    jwks: { keys },
    pkce: { required: () => false },
    features: {
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        // AUDIENCE/ALGORITHM
        getResourceServerInfo: (_, resource) => ({
          scope: 'read write',
          audience: resource.slice(0, resource.lastIndexOf('/')),
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: resource.slice(resource.lastIndexOf('/') + 1) } },
        }),
      },
    },
  };
}

async function post(url, fields, client) {
  const answer = await fetch(url, {
    method: 'POST',
    body: new URLSearchParams(fields),
    headers: { Authorization: `Basic ${btoa(`${client}:${encodeURIComponent(SECRET)}`)}` },
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(`${url}: ${JSON.stringify(body)}`);
  return body;
}

/** The code flow, with a cookie jar for a browser (OpenID Connect Core 3.1). */
async function idToken(issuer) {
  const jar = new Map();
  const go = async (url, form) => {
    const answer = await fetch(url, {
      method: form ? 'POST' : 'GET',
      body: form && new URLSearchParams(form),
      redirect: 'manual',
      headers: { Cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [name, value] = cookie.split(';')[0].split('=');
      if (value) jar.set(name, value);
      else jar.delete(name);
    }
    const next = answer.headers.get('location');
    if (next?.startsWith(CALLBACK)) return new URL(next).searchParams.get('code');
    if (next) return go(new URL(next, issuer).href);
    // The provider's own forms: first for the login, then for the consent.
    const page = await answer.text();
    const [, prompt] = page.match(/name="prompt" value="(\w+)"/) ?? [];
    if (!prompt) throw new Error(`${url}: ${answer.status} ${page}`);
    return go(url, prompt === 'login' ? { prompt, login: 'me', password: 'x' } : { prompt });
  };
  const asked = new URLSearchParams({
    client_id: CLIENT,
    redirect_uri: CALLBACK,
    response_type: 'code',
    scope: 'openid',
    state: 's',
  });
  const code = await go(`${issuer}/auth?${asked}`);
  const form = { grant_type: 'authorization_code', code, redirect_uri: CALLBACK };
  return (await post(`${issuer}/token`, form, CLIENT)).id_token;
}
