// The API behind the proxy: it records what reaches it, and says of CORS what the proxy must not pass on.

import { createHash } from 'node:crypto';
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
  server.on('upgrade', (request, socket) => {
    seen.push({ method: request.method, path: request.url, headers: request.headers });
    greet(request, socket);
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

/** Accepts a WebSocket, says hello and closes it (RFC 6455 4.2.2, 5.2). */
function greet(request, socket) {
  const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
  const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + guid).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  // A text frame, then a close frame with 1000.
  socket.end(Buffer.concat([Buffer.from([0x81, 5]), Buffer.from('hello'), Buffer.from([0x88, 2, 0x03, 0xe8])]));
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
