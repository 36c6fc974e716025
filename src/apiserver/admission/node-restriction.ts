/**
 * What a kubelet writes is its own: its Node, its Lease, mirror pods and the status of pods on its node. The node authorizer has decided by
 * names; this looks into the objects.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Node, Pod } from '../../api/types.gen.ts';
import { nodeIdentity } from '../authz/node.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../contract.ts';
import type { Stored, StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { refuse } from './refuse.ts';

const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';
const RESTRICTED_PREFIX = 'node-restriction.kubernetes.io/';
/** Labels of these domains that kubelets may set on their own Node. */
const OWN_LABELS = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/arch',
  'kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
]);
const OWN_PREFIXES = ['kubelet.kubernetes.io/', 'node.kubernetes.io/'];

export function nodeRestriction(objects: StoredObjects): AdmissionPlugin {
  const pods = stored<Pod>(objects, '', 'v1', 'pods');
  return {
    name: 'NodeRestriction',
    validate(request) {
      const nodeName = nodeIdentity(request.user);
      if (nodeName === undefined) return;
      const { group, resource } = request.resource;
      if (group === '' && resource === 'pods') checkPod(request, nodeName, pods);
      else if (group === '' && resource === 'nodes') checkNode(request, nodeName);
      else if ((group === 'coordination.k8s.io' && resource === 'leases') || (group === 'storage.k8s.io' && resource === 'csinodes')) {
        const name = request.name || request.object?.metadata.name;
        if (name !== nodeName)
          throw refuse(
            request,
            `can only access ${resource === 'leases' ? 'node lease' : 'CSINode'} with the same name as the requesting node`,
          );
      }
    },
  };
}

function checkPod(request: AdmissionRequest, nodeName: string, pods: Stored<Pod>): void {
  const { operation, subresource, namespace, name } = request;
  if (subresource === 'eviction') {
    const pod = pods.get(namespace, name || request.object?.metadata.name || '');
    if (pod && pod.spec?.nodeName !== nodeName)
      throw refuse(request, `node "${nodeName}" can only evict pods with spec.nodeName set to itself`);
    return;
  }
  const pod = (operation === 'DELETE' || operation === 'UPDATE' ? (request.oldObject ?? pods.get(namespace, name)) : request.object) as
    | Pod
    | undefined;
  if (!pod) return;
  if (pod.spec?.nodeName !== nodeName) {
    const verb = operation === 'CREATE' ? 'create' : operation === 'DELETE' ? 'delete' : 'update status for';
    throw refuse(request, `node "${nodeName}" can only ${verb} pods with spec.nodeName set to itself`);
  }
  if (operation === 'CREATE') checkMirrorPod(request, pod, nodeName);
  else if (operation === 'UPDATE' && subresource !== 'status') throw refuse(request, `node "${nodeName}" can only update pod status`);
  else if (operation === 'UPDATE' && !isDeepStrictEqual(request.object?.metadata.labels ?? {}, pod.metadata.labels ?? {})) {
    throw refuse(request, `node "${nodeName}" cannot update labels through pod status`);
  }
}

function checkMirrorPod(request: AdmissionRequest, { metadata, spec }: Pod, nodeName: string): void {
  if (metadata.annotations?.[MIRROR_ANNOTATION] === undefined)
    throw refuse(request, `pod does not have "${MIRROR_ANNOTATION}" annotation, node "${nodeName}" can only create mirror pods`);
  const owners = metadata.ownerReferences ?? [];
  const owner = owners[0];
  if (owners.length !== 1 || owner?.kind !== 'Node' || owner.name !== nodeName || owner.controller !== true) {
    throw refuse(request, `node "${nodeName}" can only create pods with an owner reference set to itself`);
  }
  if (spec?.serviceAccountName) throw refuse(request, `node "${nodeName}" can not create pods that reference a service account`);
}

function checkNode(request: AdmissionRequest, nodeName: string): void {
  const { operation, object, oldObject } = request;
  const name = request.name || object?.metadata.name;
  if (name !== nodeName) throw refuse(request, `node "${nodeName}" is not allowed to modify node "${name}"`);
  if (!object || operation === 'DELETE') return;
  const labels = object.metadata.labels ?? {};
  const before = oldObject?.metadata.labels ?? {};
  const changed = [...new Set([...Object.keys(labels), ...Object.keys(before)])].filter((label) => labels[label] !== before[label]);
  const refused = changed.filter((label) => !mayLabel(label)).toSorted();
  if (refused.length > 0)
    throw refuse(request, `is not allowed to ${operation === 'CREATE' ? 'set the following' : 'modify'} labels: ${refused.join(', ')}`);
  if (operation !== 'UPDATE') return;
  const [now, old] = [object, oldObject].map((node) => (node as unknown as Node).spec);
  if (!isDeepStrictEqual(now?.taints ?? [], old?.taints ?? [])) throw refuse(request, `node "${nodeName}" is not allowed to modify taints`);
  if (!isDeepStrictEqual(object.metadata.ownerReferences ?? [], oldObject?.metadata.ownerReferences ?? [])) {
    throw refuse(request, `node "${nodeName}" is not allowed to modify ownerReferences`);
  }
}

/** Labels outside of Kubernetes's own domains are free; `node-restriction.kubernetes.io/` is what administrators keep from kubelets. */
function mayLabel(label: string): boolean {
  if (label.includes(RESTRICTED_PREFIX)) return false;
  const domain = label.includes('/') ? label.slice(0, label.indexOf('/')) : '';
  const reserved = ['kubernetes.io', 'k8s.io'].some((suffix) => domain === suffix || domain.endsWith(`.${suffix}`));
  return !reserved || OWN_LABELS.has(label) || OWN_PREFIXES.some((prefix) => label.startsWith(prefix));
}
