import { createServer } from 'node:net';
import { errorCode } from '../lib/errors.ts';
import { failure } from './reasons.ts';

/** A TCP port that nobody listens on at this address now. */
export async function freePort(address: string): Promise<number> {
  return listenOnce(address, 0);
}

/** Throws PORT_IN_USE when somebody listens there. */
export async function requireFree(address: string, port: number): Promise<void> {
  try {
    await listenOnce(address, port);
  } catch (error) {
    if (errorCode(error) === 'EADDRINUSE')
      throw failure('PORT_IN_USE', `port ${port} at ${address} is in use by another program`, { cause: error });
    if (errorCode(error) === 'EACCES')
      throw failure('HOST_PERMISSION', `port ${port} may not be used by this user`, {
        cause: error,
        advice: ['Choose a port above 1023 with `--api-port`.'],
      });
    if (errorCode(error) === 'EADDRNOTAVAIL') throw failure('USAGE', `this machine has no address ${address}`, { cause: error });
    throw error;
  }
}

function listenOnce(address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host: address, port, exclusive: true }, () => {
      const bound = server.address();
      server.close(() => (typeof bound === 'object' && bound ? resolve(bound.port) : reject(new Error('no address'))));
    });
  });
}
