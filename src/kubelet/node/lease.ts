import type { Lease } from '../../api/types.gen.ts';
import { StatusError } from '../../api/status.ts';
import type { Client } from '../../client/client.ts';
import { LEASES } from '../../client/resources.ts';
import { pause, type Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { microTimestamp } from '../../api/time.ts';

const NAMESPACE = 'kube-node-lease';
const DURATION_SECONDS = 40;
const RENEW_MS = 10_000;
const RETRY_MS = 1000;

export interface LeaseOptions {
  client: Client;
  clock: Clock;
  log: Logger;
  nodeName: string;
  /** The node's uid once it is known: the lease goes when the node goes. */
  nodeUid(): string | undefined;
  signal: AbortSignal;
}

/** Renews the node's lease every ten seconds until the signal aborts. Never rejects. */
export async function keepLease({ client, clock, log, nodeName, nodeUid, signal }: LeaseOptions): Promise<void> {
  const leases = client.resource(LEASES, NAMESPACE);
  let held: Lease | undefined;
  while (!signal.aborted) {
    let wait = RENEW_MS;
    try {
      const renewTime = microTimestamp(clock.now());
      held ??= await find();
      held = held
        ? await leases.update({
            ...held,
            spec: { ...held.spec, holderIdentity: nodeName, leaseDurationSeconds: DURATION_SECONDS, renewTime },
          })
        : await leases.create(newLease(nodeName, nodeUid(), renewTime));
    } catch (error) {
      // somebody else wrote it, or it was deleted: read it anew
      held = undefined;
      wait = RETRY_MS;
      if (!signal.aborted) log.debug('node lease was not renewed', { error: errorMessage(error) });
    }
    await pause(clock, wait, signal);
  }

  async function find(): Promise<Lease | undefined> {
    try {
      return await leases.get(nodeName);
    } catch (error) {
      if (StatusError.is(error, 'NotFound')) return undefined;
      throw error;
    }
  }
}

function newLease(name: string, uid: string | undefined, renewTime: string): Lease {
  const ownerReferences = uid ? [{ apiVersion: 'v1', kind: 'Node', name, uid }] : undefined;
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace: NAMESPACE, ownerReferences },
    spec: { holderIdentity: name, leaseDurationSeconds: DURATION_SECONDS, renewTime },
  };
}
