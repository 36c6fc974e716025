import { bytesOf } from '../../api/codec/quantity.ts';
import { StatusError } from '../../api/status.ts';
import type { PersistentVolume, Pod } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { PODS } from '../../client/resources.ts';
import { unlessGone } from '../pods/ownership.ts';
import { isTerminal } from '../pods/pod-state.ts';
import { CLAIM_INDEX } from './pods-of-claims.ts';

/** What has become of a volume that is being scrubbed. */
export type Recycling = { outcome: 'under way' | 'done' } | { outcome: 'in use'; pods: string[] } | { outcome: 'failed'; message: string };

const NAMESPACE = 'default';
const PREFIX = 'recycler-for-';
/** The uid of the claim whose data are deleted. */
const SCRUBS_AFTER = 'rockpool.dev/scrubs-after';
/** Image and script of the template in upstream's documentation ("Recycle"); its built-in one has a Debian image, for `find -delete`, which Debian's busybox lacks. */
const IMAGE = 'busybox';
const SCRUB = 'test -e /scrub && rm -rf /scrub/..?* /scrub/.[!.]* /scrub/* && test -z "$(ls -A /scrub)" || exit 1';
/** Seconds for any volume, and for each GiB on top (kube-controller-manager's --pv-recycler-*). */
const TIMEOUT = { hostPath: { minimum: 60, perGi: 30 }, nfs: { minimum: 300, perGi: 30 } };
const GI = 2 ** 30;

/** The name of the volume that a pod scrubs, if it is a recycler. */
export function recycledBy({ metadata }: Pod): string | undefined {
  const isRecycler = metadata.namespace === NAMESPACE && metadata.name!.startsWith(PREFIX);
  return isRecycler ? metadata.name!.slice(PREFIX.length) : undefined;
}

export function isRecyclable({ spec }: PersistentVolume): boolean {
  return spec?.hostPath !== undefined || spec?.nfs !== undefined;
}

/** Empties volumes by a pod that mounts them and deletes all files. */
export class Recycler {
  readonly #context: ComponentContext;
  readonly #pods: Informer<Pod>;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#pods = context.client.informer(PODS);
  }

  /** One step. A pod that has ended stays until `cleanUp`; which use of the volume it scrubs after is noted on it, so that no old success counts. */
  async step(volume: PersistentVolume): Promise<Recycling> {
    const pods = this.#context.client.resource(PODS, NAMESPACE);
    const name = PREFIX + volume.metadata.name!;
    const pod = this.#pods.get(`${NAMESPACE}/${name}`);
    if (!pod) {
      const users = this.#usersOf(volume);
      if (users.length > 0) return { outcome: 'in use', pods: users };
      try {
        await pods.create(recyclerPod(name, volume));
      } catch (error) {
        if (!StatusError.is(error, 'AlreadyExists')) throw error;
      }
      return { outcome: 'under way' };
    }
    if (!isTerminal(pod) || pod.metadata.deletionTimestamp) return { outcome: 'under way' };
    if (pod.metadata.annotations?.[SCRUBS_AFTER] !== volume.spec!.claimRef!.uid) {
      await this.cleanUp(volume);
      return { outcome: 'under way' };
    }
    if (pod.status?.phase === 'Succeeded') return { outcome: 'done' };
    return { outcome: 'failed', message: pod.status?.message || 'pod failed, pod.Status.Message unknown' };
  }

  /** Removes the pod once it has ended and its outcome is written down. */
  async cleanUp({ metadata }: PersistentVolume): Promise<void> {
    const name = PREFIX + metadata.name!;
    const pod = this.#pods.get(`${NAMESPACE}/${name}`);
    if (!pod || !isTerminal(pod) || pod.metadata.deletionTimestamp) return;
    const options = { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid! } };
    await unlessGone(this.#context.client.resource(PODS, NAMESPACE).delete(name, options));
  }

  #usersOf({ spec }: PersistentVolume): string[] {
    const { namespace, name } = spec!.claimRef!;
    const users = this.#pods.byIndex(CLAIM_INDEX, `${namespace}/${name}`).filter((pod) => !isTerminal(pod));
    return users.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  }
}

function recyclerPod(name: string, { spec }: PersistentVolume): Pod {
  const source = spec!.hostPath ? { hostPath: { path: spec!.hostPath.path } } : { nfs: spec!.nfs! };
  const { minimum, perGi } = TIMEOUT[spec!.hostPath ? 'hostPath' : 'nfs'];
  const gi = Math.ceil(bytesOf(spec!.capacity?.['storage'] ?? '0') / GI);
  return {
    metadata: { name, namespace: NAMESPACE, annotations: { [SCRUBS_AFTER]: spec!.claimRef!.uid! } },
    spec: {
      activeDeadlineSeconds: Math.max(minimum, perGi * gi),
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      volumes: [{ name: 'vol', ...source }],
      containers: [
        {
          name: 'pv-recycler',
          image: IMAGE,
          imagePullPolicy: 'IfNotPresent',
          command: ['/bin/sh'],
          args: ['-c', SCRUB],
          volumeMounts: [{ name: 'vol', mountPath: '/scrub' }],
        },
      ],
    },
  };
}
