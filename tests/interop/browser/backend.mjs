// The API behind the proxy: it records what reaches it, and says of CORS what the proxy must not pass on.

import http from 'node:http';

/** Starts the backend on a free port of 127.0.0.1. */
export async function startBackend() {
  const seen = [];
  const held = new Map();
  const server = http.createServer((request, response) => {
    const { pathname: path } = new URL(request.url, 'http://backend');
    seen.push({ method: request.method, path, headers: request.headers });
    // Under `allowCors` these count, else they must not.
    response.setHeader('Access-Control-Allow-Origin', 'http://backend.localhost');
    response.setHeader('Access-Control-Expose-Headers', 'X-Hidden');
    response.setHeader('X-Listed', 'listed');
    response.setHeader('X-Hidden', 'hidden');
    answer(path, request, response, held);
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Forgets what came. */
    forget: () => seen.splice(0),
    /** Requests for a path since the last call. */
    take: (path) => {
      const found = seen.filter((one) => one.path === path);
      for (const one of found) seen.splice(seen.indexOf(one), 1);
      return found;
    },
    /** Lets an answer go on that waits in the middle. */
    release: (path) => held.get(path)?.(),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function answer(path, request, response, held) {
  const text = (status, body, headers = {}) => {
    response.writeHead(status, { 'Content-Type': 'text/plain', 'Content-Length': Buffer.byteLength(body), ...headers });
    response.end(body);
  };
  switch (path) {
    case '/login':
      return text(200, 'welcome', { 'Set-Cookie': 'session=secret; Path=/' });
    case '/me':
      return text(200, request.headers.cookie ?? 'nobody');
    case '/cached':
      return text(200, 'cached', { 'Cache-Control': 'max-age=600', Vary: 'Accept' });
    case '/moved':
      return text(302, '', { Location: '/open' });
    case '/elsewhere':
      return text(302, '', { Location: request.headers['x-to'] ?? new URL(request.url, 'http://b').searchParams.get('to') });
    case '/fails':
      return text(500, 'the backend failed');
    case '/broken':
      return request.socket.destroy();
    case '/late':
      return undefined;
    case '/own':
      response.setHeader('Access-Control-Allow-Origin', request.headers.origin ?? '*');
      response.setHeader('Access-Control-Allow-Headers', 'Authorization, X-Own');
      response.setHeader('Access-Control-Allow-Methods', 'PUT');
      return text(200, request.method === 'OPTIONS' ? '' : 'own');
    case '/events':
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write('data: one\n\n');
      held.set(path, () => response.end('data: two\n\n'));
      return undefined;
    case '/stream':
      response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
      response.write('first');
      held.set(path, () => response.end('last'));
      return undefined;
    default:
      return text(200, request.method);
  }
}
