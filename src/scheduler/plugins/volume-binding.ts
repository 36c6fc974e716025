import { splitKey } from '../../api/meta.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/types.gen.ts';
import { PERSISTENT_VOLUMES, PERSISTENT_VOLUME_CLAIMS } from '../../client/resources.ts';
import type { Rejection, Reservation, SchedulingPlugin } from '../framework.ts';
import type { NodeInfo, PodInfo } from '../snapshot.ts';
import { matchesSelector } from './node-selection.ts';
import { classNameOf, everywhere, isBound, type VolumeObjects } from './volume-objects.ts';
import { canProvision, findVolume, SELECTED_NODE } from './volume-matching.ts';

export interface VolumeBindingArgs {
  /** How long a pod may wait for its claims to be bound, s. */
  bindTimeoutSeconds?: number;
}

const DEFAULT_TIMEOUT_S = 600;
const BOUND_BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller';

const unresolvable = (reason: string): Rejection => ({ code: 'UnschedulableAndUnresolvable', reasons: [reason] });
const NODE_CONFLICT = unresolvable("node(s) didn't match PersistentVolume's node affinity");
const NO_VOLUME = unresolvable("node(s) didn't find available persistent volumes to bind");
const NO_SPACE = unresolvable('node(s) did not have enough free storage');
const VOLUME_GONE = unresolvable('node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)');

/** What binding the claims of a pod on one node takes: volumes that exist, and nodes told to provisioners. */
interface Plan {
  bindings: readonly { claim: PersistentVolumeClaim; volume: PersistentVolume }[];
  toProvision: readonly PersistentVolumeClaim[];
}

interface Claims {
  bound: readonly PersistentVolumeClaim[];
  waiting: readonly PersistentVolumeClaim[];
}

/**
 * Pods go where their bound volumes are. Claims that wait for their first consumer get a volume that the node can reach, or their provisioner
 * is told the node, before the pod is bound; the pod waits until they are.
 */
export function volumeBinding(
  objects: VolumeObjects,
  { bindTimeoutSeconds = DEFAULT_TIMEOUT_S }: VolumeBindingArgs = {},
): SchedulingPlugin {
  /** Volumes that pods on their way were promised, with the key of the claim that will have them. */
  const promised = new Map<string, string>();
  return {
    name: 'VolumeBinding',
    begin(pod) {
      if (pod.claims.length === 0) return undefined;
      const sorted = sortClaims(pod, objects);
      if ('reject' in sorted) return sorted;
      const { bound, waiting } = sorted;
      const volumes = bound.map((claim) => objects.volumes.get(claim.spec!.volumeName!));
      const isLost = volumes.includes(undefined);
      const placed = volumes.flatMap((volume) => volume?.spec?.nodeAffinity?.required ?? []);
      if (!isLost && placed.length === 0 && waiting.length === 0) return {};
      const plans = new Map<string, Plan>();
      return {
        filter: (node) => {
          if (isLost) return VOLUME_GONE;
          if (!placed.every((selector) => matchesSelector(selector, node))) return NODE_CONFLICT;
          const plan = planFor(waiting, node, { objects, promised });
          if ('reasons' in plan) return plan;
          plans.set(node.name, plan);
          return undefined;
        },
        reserve: (node) => {
          const plan = plans.get(node.name);
          return plan && waiting.length > 0 ? reservation(plan, node.name) : undefined;
        },
      };
    },
    wakesOn: ({ resource, action }) =>
      resource === 'PersistentVolume' ||
      resource === 'PersistentVolumeClaim' ||
      (resource === 'StorageClass' && action !== 'delete') ||
      (resource === 'CSIStorageCapacity' && action !== 'delete') ||
      (resource === 'CSIDriver' && action !== 'delete') ||
      (resource === 'CSINode' && action !== 'delete') ||
      (resource === 'Node' && action !== 'delete'),
  };

  function reservation(plan: Plan, nodeName: string): Reservation {
    for (const { claim, volume } of plan.bindings) promised.set(volume.metadata.name!, keyOfClaim(claim));
    return {
      release: () => {
        for (const { volume } of plan.bindings) promised.delete(volume.metadata.name!);
      },
      preBind: async (signal) => {
        const within = AbortSignal.any([signal, AbortSignal.timeout(bindTimeoutSeconds * 1000)]);
        await Promise.all([
          ...plan.bindings.map(({ claim, volume }) => pointVolume(objects, volume, claim)),
          ...plan.toProvision.map((claim) => selectNode(objects, claim, nodeName)),
        ]);
        const keys = [...plan.bindings.map(({ claim }) => claim), ...plan.toProvision].map(keyOfClaim);
        await untilBound(objects, keys, nodeName, within);
        for (const { volume } of plan.bindings) promised.delete(volume.metadata.name!);
      },
    };
  }
}

const keyOfClaim = ({ metadata }: PersistentVolumeClaim): string => `${metadata.namespace}/${metadata.name}`;

function sortClaims({ pod, claims: keys }: PodInfo, { claims, classes }: VolumeObjects): Claims | { reject: Rejection } {
  const bound: PersistentVolumeClaim[] = [];
  const waiting: PersistentVolumeClaim[] = [];
  let hasImmediate = false;
  for (const key of keys) {
    const { name } = splitKey(key);
    const claim = claims.get(key);
    if (!claim) return everywhere(notFound(pod, name));
    if (claim.status?.phase === 'Lost')
      return everywhere(`persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec?.volumeName}"`);
    if (claim.metadata.deletionTimestamp) return everywhere(`persistentvolumeclaim "${name}" is being deleted`);
    if (isBound(claim)) bound.push(claim);
    // One that names its volume is being bound to it.
    else if (!claim.spec?.volumeName && classes.get(classNameOf(claim) ?? '')?.volumeBindingMode === 'WaitForFirstConsumer')
      waiting.push(claim);
    else hasImmediate = true;
  }
  return hasImmediate ? everywhere('pod has unbound immediate PersistentVolumeClaims') : { bound, waiting };
}

function notFound(pod: Pod, name: string): string {
  const isEphemeral = pod.spec!.volumes!.some((volume) => volume.ephemeral && `${pod.metadata.name}-${volume.name}` === name);
  return isEphemeral
    ? `waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`
    : `persistentvolumeclaim "${name}" not found`;
}

function planFor(
  waiting: readonly PersistentVolumeClaim[],
  node: NodeInfo,
  { objects, promised }: { objects: VolumeObjects; promised: ReadonlyMap<string, string> },
): Plan | Rejection {
  const bindings: { claim: PersistentVolumeClaim; volume: PersistentVolume }[] = [];
  const toProvision: PersistentVolumeClaim[] = [];
  const taken = new Set<string>();
  for (const claim of waiting) {
    const selected = claim.metadata.annotations?.[SELECTED_NODE];
    if (selected !== undefined) {
      if (selected !== node.name) return NO_VOLUME;
      toProvision.push(claim);
      continue;
    }
    const isFree = (name: string): boolean => !taken.has(name) && (promised.get(name) ?? keyOfClaim(claim)) === keyOfClaim(claim);
    const volume = findVolume(claim, objects.volumes.list(), node, isFree);
    if (volume) {
      taken.add(volume.metadata.name!);
      bindings.push({ claim, volume });
    } else toProvision.push(claim);
  }
  for (const claim of toProvision) {
    const verdict = canProvision(claim, node, objects);
    if (verdict === 'no') return NO_VOLUME;
    if (verdict === 'full') return NO_SPACE;
  }
  return { bindings, toProvision };
}

/** The binder finishes what a volume that points at a claim begins. */
async function pointVolume({ client }: VolumeObjects, volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<void> {
  const { namespace, name, uid, resourceVersion } = claim.metadata;
  const before = volume.spec?.claimRef;
  if (before?.uid === uid) return;
  const claimRef = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid, resourceVersion };
  const annotations = before ? volume.metadata.annotations : { ...volume.metadata.annotations, [BOUND_BY_CONTROLLER]: 'yes' };
  await client.resource(PERSISTENT_VOLUMES).update({
    ...volume,
    metadata: { ...volume.metadata, ...(annotations ? { annotations } : {}) },
    spec: { ...volume.spec, claimRef },
  });
}

async function selectNode({ client }: VolumeObjects, claim: PersistentVolumeClaim, nodeName: string): Promise<void> {
  if (claim.metadata.annotations?.[SELECTED_NODE] === nodeName) return;
  await client
    .resource(PERSISTENT_VOLUME_CLAIMS, claim.metadata.namespace)
    .patch(claim.metadata.name!, 'merge', { metadata: { annotations: { [SELECTED_NODE]: nodeName } } });
}

/** Rejects when a claim vanishes or its provisioner gives the node back: the pod is then tried anew. */
async function untilBound({ claims }: VolumeObjects, keys: readonly string[], nodeName: string, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const told = new Set<string>();
    const check = (): void => {
      for (const key of keys) {
        const selected = claims.get(key)?.metadata.annotations?.[SELECTED_NODE];
        if (selected === nodeName) told.add(key);
        const isGivenBack = told.has(key) && selected !== nodeName && !isBound(claims.get(key));
        if (isGivenBack) return finish(new Error(`provisioning failed for PVC "${splitKey(key).name}"`));
      }
      if (keys.every((key) => isBound(claims.get(key)))) finish();
    };
    const gone = (claim: PersistentVolumeClaim): void => {
      if (keys.includes(keyOfClaim(claim))) finish(new Error(`persistentvolumeclaim "${claim.metadata.name}" not found`));
    };
    const onAbort = (): void => finish(new Error(`binding volumes: ${String(signal.reason)}`));
    const finish = (error?: Error): void => {
      unsubscribe();
      signal.removeEventListener('abort', onAbort);
      if (error) reject(error);
      else resolve();
    };
    let unsubscribe = (): void => undefined;
    signal.addEventListener('abort', onAbort, { once: true });
    unsubscribe = claims.subscribe({ updated: check, deleted: gone });
    if (signal.aborted) onAbort();
    else check();
  });
}
