/** `hostPort`: a port of this machine that leads to a pod's. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { errorMessage } from '../../../lib/errors.ts';
import { type PodSandboxConfig, RuntimeError } from '../runtime.ts';
import type { SimNetwork } from './network.ts';

const EVERYWHERE = new Set(['', '0.0.0.0']);
/** Simulated pods are this laptop's own business. */
const LOOPBACK = '127.0.0.1';

/** Opens the ports of a sandbox; returns how to close them. Throws RuntimeError naming the port that cannot be had. */
export async function openHostPorts({ portMappings }: PodSandboxConfig, podIp: string, network: SimNetwork): Promise<() => void> {
  const closers: (() => void)[] = [];
  const close = (): void => {
    for (const closer of closers.splice(0)) closer();
  };
  for (const { protocol, containerPort, hostPort, hostIp } of portMappings) {
    try {
      if (protocol !== 'TCP') throw new Error(`${protocol} is not modelled`);
      closers.push(await open({ host: EVERYWHERE.has(hostIp) ? LOOPBACK : hostIp, port: hostPort }, { podIp, containerPort, network }));
    } catch (error) {
      close();
      throw new RuntimeError('Unknown', `failed to setup network for sandbox: cannot open hostPort ${hostPort}: ${errorMessage(error)}`, {
        cause: error,
      });
    }
  }
  return close;
}

async function open(
  at: { host: string; port: number },
  { podIp, containerPort, network }: { podIp: string; containerPort: number; network: SimNetwork },
): Promise<() => void> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((client) => {
    const upstream = connect(network.resolve(podIp, containerPort));
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.once('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.pipe(upstream);
    upstream.pipe(client);
  });
  const { release } = await network.listen(server, { ...at, exact: true });
  return () => {
    release();
    server.close();
    for (const socket of sockets) socket.destroy();
  };
}
