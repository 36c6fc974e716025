import type { ObjectWithMeta } from '../../api/meta.ts';
import { parseGroupVersion } from '../../api/meta.ts';
import type { OwnerReference, Pod, PodDisruptionBudget, Scale } from '../../api/types.gen.ts';
import { StatusError } from '../../api/status.ts';
import type { Client, ResourceType } from '../../client/client.ts';
import { discoverResources } from '../../client/discovery.ts';
import { DEPLOYMENTS, REPLICA_SETS, REPLICATION_CONTROLLERS, STATEFUL_SETS } from '../../client/resources.ts';
import { controllerOf } from '../pods/ownership.ts';
import { resolveIntOrPercent } from '../rollout/int-or-percent.ts';

/** Why it cannot be told how many pods there should be. */
export class ExpectationError extends Error {
  override name = 'ExpectationError';
}

export interface Expected {
  expectedPods: number;
  desiredHealthy: number;
  /** Pods that nobody controls, and which a share or maxUnavailable cannot count. */
  unmanaged: readonly Pod[];
}

type Scalable = ObjectWithMeta & { spec?: { replicas?: number } };

/** By kind, the built-in controllers of pods that can be scaled. */
const SCALABLE: Readonly<Record<string, ResourceType<Scalable>>> = {
  ReplicaSet: REPLICA_SETS,
  ReplicationController: REPLICATION_CONTROLLERS,
  StatefulSet: STATEFUL_SETS,
  Deployment: DEPLOYMENTS,
};

/**
 * How many pods a budget is about and how many of them must stay healthy. A plain number in minAvailable needs to know nothing more than the
 * pods; a share, and maxUnavailable, are of what their controllers ask for.
 */
export async function expectedPods(client: Client, { spec }: PodDisruptionBudget, pods: readonly Pod[]): Promise<Expected> {
  const { maxUnavailable, minAvailable } = spec ?? {};
  if (maxUnavailable === undefined && typeof minAvailable !== 'string') {
    return { expectedPods: pods.length, desiredHealthy: minAvailable ?? 0, unmanaged: [] };
  }
  const wanted = await wantedByControllers(client, pods);
  const unmanaged = pods.filter((pod) => !controllerOf(pod));
  const desiredHealthy =
    maxUnavailable === undefined
      ? resolveIntOrPercent(minAvailable, wanted, 'up')
      : Math.max(0, wanted - resolveIntOrPercent(maxUnavailable, wanted, 'up'));
  return { expectedPods: wanted, desiredHealthy, unmanaged };
}

async function wantedByControllers(client: Client, pods: readonly Pod[]): Promise<number> {
  const wanted = new Map<string, number>();
  for (const pod of pods) {
    const controller = controllerOf(pod);
    if (!controller || wanted.has(controller.uid)) continue;
    const scale = await scaleOf(client, pod.metadata.namespace!, controller);
    if (!scale) throw new ExpectationError(`found no controllers for pod "${pod.metadata.name}"`);
    wanted.set(scale.uid, scale.replicas);
    if (scale.uid !== controller.uid) wanted.set(controller.uid, 0);
  }
  return [...wanted.values()].reduce((total, each) => total + each, 0);
}

/** Of the controller, or of its own controller: a ReplicaSet's Deployment says how many pods there should be. */
async function scaleOf(
  client: Client,
  namespace: string,
  controller: OwnerReference,
): Promise<{ uid: string; replicas: number } | undefined> {
  const type = SCALABLE[controller.kind];
  if (!type || type.group !== parseGroupVersion(controller.apiVersion).group) return scaleOfOther(client, namespace, controller);
  const object = client.informer(type).get(`${namespace}/${controller.name}`);
  if (object?.metadata.uid !== controller.uid) return undefined;
  const parent = controllerOf(object);
  if (controller.kind === 'ReplicaSet' && parent?.kind === 'Deployment') return scaleOf(client, namespace, parent);
  return { uid: controller.uid, replicas: object.spec?.replicas ?? 1 };
}

/** Any other kind may have a scale subresource, custom ones too. */
async function scaleOfOther(
  client: Client,
  namespace: string,
  controller: OwnerReference,
): Promise<{ uid: string; replicas: number } | undefined> {
  const { group } = parseGroupVersion(controller.apiVersion);
  const { resources } = await discoverResources(client);
  const type = resources.find((each) => each.group === group && each.kind === controller.kind);
  const what = `${type?.resource ?? controller.kind.toLowerCase()}${group ? `.${group}` : ''}`;
  if (!type) throw new ExpectationError(`the server has no ${what}`);
  try {
    const scale = await client.resource(type, namespace).subresource<Scale>(controller.name, 'scale', 'GET');
    return { uid: controller.uid, replicas: scale.spec?.replicas ?? 0 };
  } catch (error) {
    if (!StatusError.is(error, 'NotFound')) throw error;
    // A missing object is named; a missing subresource is only "the requested resource".
    if (error.status.details?.name) return undefined;
    throw new ExpectationError(`${what} does not implement the scale subresource`);
  }
}
