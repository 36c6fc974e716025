/** A UDP address of a Service: datagrams of one client go to one target, and its answers come back, until it has been quiet for a while. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { Clock } from '../../lib/clock.ts';
import type { Balancer } from './balancer.ts';
import { sameTarget } from './balancer.ts';
import type { Listening, ProxyNetwork, Target } from './network.ts';
import type { ServiceSocket, SocketPlace } from './service-socket.ts';

/** As the kernel's nf_conntrack_udp_timeout. */
const QUIET_MS = 30_000;

interface Flow {
  target: Target;
  upstream: Socket;
  cancel: () => void;
}

export async function openUdp(
  place: SocketPlace,
  balancer: Balancer,
  { network, clock }: { network: ProxyNetwork; clock: Clock },
): Promise<ServiceSocket> {
  const socket = createSocket('udp4');
  const flows = new Map<string, Flow>();
  const end = (key: string): void => {
    const flow = flows.get(key);
    flows.delete(key);
    flow?.cancel();
    flow?.upstream.close();
  };
  const open = (key: string, client: RemoteInfo): Flow | undefined => {
    const target = balancer.choose(client.address);
    if (!target) return undefined;
    const upstream = createSocket('udp4');
    upstream.on('message', (data) => socket.send(data, client.port, client.address));
    upstream.on('error', () => end(key));
    const flow = { target, upstream, cancel: () => undefined };
    flows.set(key, flow);
    return flow;
  };
  socket.on('message', (data, client) => {
    const key = `${client.address}:${client.port}`;
    const flow = flows.get(key) ?? open(key, client);
    if (!flow) return;
    flow.cancel();
    flow.cancel = clock.timer(QUIET_MS, () => end(key));
    const { host, port } = network.resolve(flow.target.ip, flow.target.port, 'UDP');
    flow.upstream.send(data, port, host);
  });
  const { release } = await network.listen(listenerOf(socket), { ...place, protocol: 'UDP' });
  return {
    cut(targets) {
      for (const [key, { target }] of flows) if (!targets.some((one) => sameTarget(one, target))) end(key);
    },
    async close() {
      release();
      for (const key of flows.keys()) end(key);
      await new Promise<void>((resolve) => socket.close(() => resolve()));
    },
  };
}

function listenerOf(socket: Socket): Listening {
  return {
    listen: ({ host, port }) => socket.bind({ address: host, port, exclusive: true }),
    address: () => socket.address(),
    once: (event: string, callback: (error: Error) => void) => socket.once(event, callback),
    on: (event, callback) => socket.on(event, callback),
    off: (event, callback) => socket.off(event, callback),
  };
}
