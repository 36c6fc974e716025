import { splitKey } from '../../api/meta.ts';
import type { Client } from '../../client/client.ts';
import type { Informer } from '../../client/informer.ts';
import { PERSISTENT_VOLUMES, PERSISTENT_VOLUME_CLAIMS, STORAGE_CLASSES } from '../../client/resources.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '../../api/types.gen.ts';
import type { BindingPlugin, Rejection } from '../framework.ts';
import { matchesSelector } from './node-selection.ts';

const SELECTED_NODE = 'volume.kubernetes.io/selected-node';
const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed';
const BIND_DEADLINE_MS = 600_000;

const everywhere = (reason: string): { reject: Rejection } => ({ reject: { code: 'UnschedulableAndUnresolvable', reasons: [reason] } });
const CONFLICT: Rejection = { code: 'UnschedulableAndUnresolvable', reasons: ['node(s) had volume node affinity conflict'] };

/** The three collections that volumes need, watched from the first pod that has a claim. */
export interface VolumeInformers {
  client: Client;
  claims: Informer<PersistentVolumeClaim>;
  volumes: Informer<PersistentVolume>;
  classes: Informer<StorageClass>;
  readonly synced: boolean;
  start(): Promise<void>;
}

export function volumeInformers(client: Client): VolumeInformers {
  const claims = client.informer(PERSISTENT_VOLUME_CLAIMS);
  const volumes = client.informer(PERSISTENT_VOLUMES);
  const classes = client.informer(STORAGE_CLASSES);
  return {
    client,
    claims,
    volumes,
    classes,
    get synced() {
      return claims.synced && volumes.synced && classes.synced;
    },
    start: async () => void (await Promise.all([claims.start(), volumes.start(), classes.start()])),
  };
}

/** The claims a pod mounts, by key; generic ephemeral volumes have claims named after pod and volume. */
export function claimKeys(pod: Pod): string[] {
  return (pod.spec!.volumes ?? []).flatMap((volume) => {
    if (volume.persistentVolumeClaim) return [`${pod.metadata.namespace}/${volume.persistentVolumeClaim.claimName}`];
    return volume.ephemeral ? [`${pod.metadata.namespace}/${pod.metadata.name}-${volume.name}`] : [];
  });
}

/**
 * Pods go where their bound volumes are. Claims that wait for their first consumer are told the chosen node before the pod is bound, and
 * the pod waits until they are bound.
 */
export function volumeBinding(informers: VolumeInformers): BindingPlugin {
  const waitsForConsumer = (claim: PersistentVolumeClaim): boolean =>
    informers.classes.get(claim.spec?.storageClassName ?? '')?.volumeBindingMode === 'WaitForFirstConsumer';

  return {
    name: 'VolumeBinding',
    begin({ pod }) {
      const keys = claimKeys(pod);
      if (keys.length === 0) return undefined;
      const bound: PersistentVolume[] = [];
      for (const key of keys) {
        const { name } = splitKey(key);
        const claim = informers.claims.get(key);
        if (!claim) return everywhere(`persistentvolumeclaim "${name}" not found`);
        if (claim.status?.phase === 'Lost')
          return everywhere(`persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec?.volumeName}"`);
        if (claim.metadata.deletionTimestamp) return everywhere(`persistentvolumeclaim "${name}" is being deleted`);
        if (!isBound(claim)) {
          if (!waitsForConsumer(claim)) return everywhere('pod has unbound immediate PersistentVolumeClaims');
          continue;
        }
        const volume = informers.volumes.get(claim.spec!.volumeName!);
        if (!volume)
          return everywhere(`persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec!.volumeName}"`);
        bound.push(volume);
      }
      const placed = bound.flatMap((volume) => volume.spec?.nodeAffinity?.required ?? []);
      if (placed.length === 0) return {};
      return { filter: (node) => (placed.every((selector) => matchesSelector(selector, node)) ? undefined : CONFLICT) };
    },
    wakesOn: ({ resource }) =>
      resource === 'PersistentVolume' || resource === 'PersistentVolumeClaim' || resource === 'StorageClass' || resource === 'Node',
    preBind: async (pod, nodeName, signal) => {
      const waiting = claimKeys(pod).filter((key) => {
        const claim = informers.claims.get(key);
        return claim !== undefined && !isBound(claim);
      });
      if (waiting.length > 0) await waitUntilBound(waiting, nodeName, AbortSignal.any([signal, AbortSignal.timeout(BIND_DEADLINE_MS)]));
    },
  };

  async function waitUntilBound(keys: readonly string[], nodeName: string, signal: AbortSignal): Promise<void> {
    await Promise.all(keys.map((key) => selectNode(key, nodeName)));
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (!keys.every((key) => isBound(informers.claims.get(key)))) return;
        finish();
        resolve();
      };
      const onAbort = (): void => {
        finish();
        reject(new Error(`binding volumes: ${String(signal.reason)}`));
      };
      const unsubscribe = informers.claims.subscribe({ added: check, updated: check });
      const finish = (): void => {
        unsubscribe();
        signal.removeEventListener('abort', onAbort);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      check();
    });
  }

  function selectNode(key: string, nodeName: string): Promise<unknown> {
    const { namespace, name } = splitKey(key);
    return informers.client
      .resource(PERSISTENT_VOLUME_CLAIMS, namespace)
      .patch(name, 'merge', { metadata: { annotations: { [SELECTED_NODE]: nodeName } } });
  }
}

function isBound(claim: PersistentVolumeClaim | undefined): boolean {
  return Boolean(claim?.spec?.volumeName) && claim?.metadata.annotations?.[BIND_COMPLETED] !== undefined;
}
