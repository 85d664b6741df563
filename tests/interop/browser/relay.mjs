// Stands between the browser and the proxy, and counts the preflights that the browser does not show.

import net from 'node:net';

/** Passes bytes on to a port of loopback; `preflights`: OPTIONS requests so far. */
export async function startRelay(to) {
  const relay = { preflights: 0 };
  const sockets = new Set();
  const server = net.createServer((client) => {
    const proxy = net.connect(to, '127.0.0.1');
    for (const socket of [client, proxy]) {
      sockets.add(socket);
      // The other one is closed by what is passed on.
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
    }
    client.on('data', (bytes) => {
      // A preflight has no body, and browsers send heads whole.
      relay.preflights += bytes.toString('latin1').match(/^OPTIONS \S+ HTTP\/1\.1\r$/gm)?.length ?? 0;
    });
    client.pipe(proxy).pipe(client);
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  relay.port = server.address().port;
  relay.close = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return relay;
}
