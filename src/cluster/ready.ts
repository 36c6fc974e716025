import type { Client } from '../client/client.ts';
import { NODES, SERVICE_ACCOUNTS } from '../client/resources.ts';
import { WaitTimeoutError, waitFor } from '../client/wait-for.ts';
import type { Clock } from '../lib/clock.ts';
import { failure } from './reasons.ts';

export interface ReadyOptions {
  nodeName: string;
  clock: Clock;
  timeoutMs: number;
  signal: AbortSignal;
}

/** Resolves when the node is Ready and pods can be made in `default`, told by watches. Throws APISERVER_TIMEOUT naming what is missing. */
export async function untilReady(client: Client, { nodeName, ...options }: ReadyOptions): Promise<void> {
  const nodes = client.informer(NODES, { fieldSelector: `metadata.name=${nodeName}` });
  const accounts = client.informer(SERVICE_ACCOUNTS, { namespace: 'default', fieldSelector: 'metadata.name=default' });
  try {
    await Promise.all([
      waitFor(
        nodes,
        () =>
          nodes.list().find(({ status }) => status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True')),
        { ...options, what: `node ${nodeName} to be Ready` },
      ),
      waitFor(accounts, () => accounts.list()[0], { ...options, what: 'the service account default/default' }),
    ]);
  } catch (error) {
    if (error instanceof WaitTimeoutError) throw failure('APISERVER_TIMEOUT', error.message, { cause: error });
    throw error;
  }
}
