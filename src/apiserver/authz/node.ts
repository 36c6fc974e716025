/**
 * The node authorizer: a kubelet (user system:node:X, group system:nodes) reads what its pods use and writes what is its own. What a pod
 * uses is found in its spec when a kubelet asks: a node has some hundred pods at most.
 */
import type { PersistentVolume, PersistentVolumeClaim, Pod, SecretReference } from '../../api/types.gen.ts';
import type { UserInfo } from '../../api/transport.ts';
import type { Attributes, RequestInfo } from '../contract.ts';
import { NODE_RULES } from '../bootstrap/node-rules.ts';
import type { Stored, StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { claimNames, configMapNames, deviceClaimNames, secretNames } from './pod-references.ts';
import { RuleSet } from './rules.ts';

export interface NodeAuthorizer {
  /** undefined: not a node's request. */
  authorize(attributes: Attributes): { allowed: boolean; reason: string } | undefined;
  stop(): void;
}

type Decision = { allowed: boolean; reason: string };

const ALLOWED: Decision = { allowed: true, reason: '' };
const NO_OPINION: Decision = { allowed: false, reason: '' };

export function createNodeAuthorizer(objects: StoredObjects): NodeAuthorizer {
  const pods = new PodsByNode(stored<Pod>(objects, '', 'v1', 'pods'));
  const claims = stored<PersistentVolumeClaim>(objects, '', 'v1', 'persistentvolumeclaims');
  const volumes = stored<PersistentVolume>(objects, '', 'v1', 'persistentvolumes');
  const rules = new RuleSet(NODE_RULES);

  const volumeUsed = (nodeName: string, volume: string): boolean => {
    const claim = volumes.get('', volume)?.spec?.claimRef;
    if (!claim?.name || !claim.namespace || claims.get(claim.namespace, claim.name)?.spec?.volumeName !== volume) return false;
    return pods.some(nodeName, claim.namespace, (pod) => claimNames(pod).includes(claim.name!));
  };

  const isSecretOfVolume = (nodeName: string, { namespace, name }: RequestInfo): boolean =>
    pods.some(nodeName, undefined, (pod) =>
      claimNames(pod).some((claimName) => {
        const volume = claims.get(pod.metadata.namespace!, claimName)?.spec?.volumeName;
        const used = nodeSecrets(volume ? volumes.get('', volume) : undefined);
        return used.some((secret) => secret.namespace === namespace && secret.name === name);
      }),
    );

  const special: Record<string, (nodeName: string, info: RequestInfo) => Decision> = {
    '/secrets': (nodeName, info) => {
      const decision = readOfPods(nodeName, info, (pod) => secretNames(pod).has(info.name));
      if (decision.allowed || readOnly(info)) return decision;
      return isSecretOfVolume(nodeName, info) ? ALLOWED : decision;
    },
    '/configmaps': (nodeName, info) => readOfPods(nodeName, info, (pod) => configMapNames(pod).has(info.name)),
    '/persistentvolumeclaims': (nodeName, info) =>
      info.subresource === 'status' && (info.verb === 'update' || info.verb === 'patch')
        ? related(
            nodeName,
            pods.some(nodeName, info.namespace, (pod) => claimNames(pod).includes(info.name)),
          )
        : readOfPods(nodeName, info, (pod) => claimNames(pod).includes(info.name)),
    'resource.k8s.io/resourceclaims': (nodeName, info) => readOfPods(nodeName, info, (pod) => deviceClaimNames(pod).includes(info.name)),
    '/persistentvolumes': (nodeName, info) => readOnly(info) ?? related(nodeName, volumeUsed(nodeName, info.name)),
    '/serviceaccounts': (nodeName, info) =>
      (info.subresource === 'token' && info.verb === 'create') || (!info.subresource && info.verb === 'get')
        ? related(
            nodeName,
            pods.some(nodeName, info.namespace, (pod) => (pod.spec?.serviceAccountName ?? 'default') === info.name),
          )
        : NO_OPINION,
    'coordination.k8s.io/leases': (nodeName, info) => {
      if (info.namespace !== 'kube-node-lease')
        return { allowed: false, reason: 'can only access leases in the "kube-node-lease" system namespace' };
      return ownObject(nodeName, info, 'node lease');
    },
    'storage.k8s.io/csinodes': (nodeName, info) => ownObject(nodeName, info, 'CSINode'),
  };
  const readOfPods = (nodeName: string, info: RequestInfo, uses: (pod: Pod) => boolean): Decision =>
    readOnly(info) ?? related(nodeName, pods.some(nodeName, info.namespace, uses));

  return {
    authorize({ user, info }) {
      const nodeName = nodeIdentity(user);
      if (nodeName === undefined) return undefined;
      const rule = info.isResourceRequest ? special[`${info.group}/${info.resource}`] : undefined;
      if (rule) return rule(nodeName, info);
      return rules.allows(info) ? ALLOWED : NO_OPINION;
    },
    stop: () => pods.stop(),
  };
}

/** What a CSI driver's node side is given. */
function nodeSecrets(volume: PersistentVolume | undefined): SecretReference[] {
  const { nodeStageSecretRef, nodePublishSecretRef, nodeExpandSecretRef } = volume?.spec?.csi ?? {};
  return [nodeStageSecretRef, nodePublishSecretRef, nodeExpandSecretRef].filter((secret) => secret !== undefined);
}

/** The node that a user is, or undefined. */
export function nodeIdentity({ name, groups }: UserInfo): string | undefined {
  const prefix = 'system:node:';
  return name.startsWith(prefix) && groups.includes('system:nodes') ? name.slice(prefix.length) : undefined;
}

const related = (nodeName: string, found: boolean): Decision =>
  found ? ALLOWED : { allowed: false, reason: `no relationship found between node '${nodeName}' and this object` };

/** undefined when the request reads one object by its name; a watch or list of one name counts as that. */
function readOnly({ verb, subresource, name }: RequestInfo): Decision | undefined {
  if (verb !== 'get' && verb !== 'list' && verb !== 'watch') return { allowed: false, reason: 'can only read resources of this type' };
  if (subresource) return { allowed: false, reason: 'cannot read subresource' };
  return name ? undefined : { allowed: false, reason: 'No Object name found' };
}

function ownObject(nodeName: string, { verb, subresource, name }: RequestInfo, what: string): Decision {
  if (subresource) return { allowed: false, reason: `cannot authorize ${what} subresources` };
  if (!['get', 'create', 'update', 'patch', 'delete'].includes(verb))
    return { allowed: false, reason: `can only get, create, update, patch, or delete a ${what}` };
  // A create has its name in the body; NodeRestriction checks it there.
  if (verb !== 'create' && name !== nodeName)
    return { allowed: false, reason: `can only access ${what} with the same name as the requesting node` };
  return ALLOWED;
}

/** Pods filed by the node that they are bound to; filled on the first question. */
class PodsByNode {
  readonly #pods: Stored<Pod>;
  #stop: (() => void) | undefined;
  readonly #nodes = new Map<string, Map<string, Pod>>();

  constructor(pods: Stored<Pod>) {
    this.#pods = pods;
  }

  /** Looks in all namespaces when none is given. */
  some(nodeName: string, namespace: string | undefined, matches: (pod: Pod) => boolean): boolean {
    this.#begin();
    for (const pod of this.#nodes.get(nodeName)?.values() ?? []) {
      if ((namespace === undefined || pod.metadata.namespace === namespace) && matches(pod)) return true;
    }
    return false;
  }

  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#nodes.clear();
  }

  #begin(): void {
    if (this.#stop) return;
    this.#stop = this.#pods.subscribe((pod, _previous, deleted) => (deleted ? this.#remove(pod) : this.#file(pod)));
    for (const pod of this.#pods.list()) this.#file(pod);
  }

  #file(pod: Pod): void {
    const nodeName = pod.spec?.nodeName;
    if (!nodeName) return;
    let pods = this.#nodes.get(nodeName);
    if (!pods) this.#nodes.set(nodeName, (pods = new Map()));
    pods.set(pod.metadata.uid!, pod);
  }

  #remove(pod: Pod): void {
    const pods = this.#nodes.get(pod.spec?.nodeName ?? '');
    if (!pods?.delete(pod.metadata.uid!)) return;
    if (pods.size === 0) this.#nodes.delete(pod.spec!.nodeName!);
  }
}
