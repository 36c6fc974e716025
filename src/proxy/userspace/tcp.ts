/** A TCP address of a Service: each connection is passed on to a target. */
import { connect, createServer, type Socket } from 'node:net';
import type { Balancer } from './balancer.ts';
import { sameTarget } from './balancer.ts';
import type { ProxyNetwork, Target } from './network.ts';
import type { ServiceSocket, SocketPlace } from './service-socket.ts';

const CONNECT_MS = 10_000;
const LOOPBACK = /^(?:::ffff:)?(127\.\d+\.\d+\.\d+)$/;

/** Rejects with the system's error when the address cannot be listened on. */
export async function openTcp(place: SocketPlace, balancer: Balancer, network: ProxyNetwork): Promise<ServiceSocket> {
  const links = new Set<{ client: Socket; target: Target }>();
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    client.on('error', () => client.destroy());
    const tried = new Set<Target>();
    const next = (): void => {
      const target = balancer.choose(client.remoteAddress ?? '');
      if (!target || tried.has(target)) return void client.resetAndDestroy();
      tried.add(target);
      const link = { client, target };
      links.add(link);
      client.once('close', () => links.delete(link));
      join(client, target, network, () => {
        links.delete(link);
        next();
      });
    };
    next();
  });
  const { release } = await network.listen(server, { ...place, protocol: 'TCP' });
  return {
    cut(targets) {
      for (const { client, target } of links) if (!targets.some((one) => sameTarget(one, target))) client.destroy();
    },
    async close() {
      release();
      for (const { client } of links) client.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** `refused` is called instead when the target does not answer; nothing of the client's bytes is lost then. */
function join(client: Socket, target: Target, network: ProxyNetwork, refused: () => void): void {
  const { host, port } = network.resolve(target.ip, target.port, 'TCP');
  // From the client's own address where it is one of this machine's: pods see who asks, as with a packet filter.
  const from = host.startsWith('127.') ? LOOPBACK.exec(client.remoteAddress ?? '')?.[1] : undefined;
  const upstream = connect({ host, port, noDelay: true, allowHalfOpen: true, ...(from && from !== host ? { localAddress: from } : {}) });
  let connected = false;
  upstream.setTimeout(CONNECT_MS, () => upstream.destroy(new Error('the endpoint does not answer')));
  upstream.once('connect', () => {
    connected = true;
    upstream.setTimeout(0);
    client.pipe(upstream);
    upstream.pipe(client);
  });
  upstream.on('error', () => {
    if (connected) client.destroy();
    else if (!client.destroyed) refused();
  });
  client.once('close', () => upstream.destroy());
}
