import { bytesOf, compareQuantities, cpuMillis } from '../../api/codec/quantity.ts';
import type { KubeObject } from '../../api/meta.ts';
import { usageOf } from '../../api/quota/usage.ts';
import { statusError, type StatusError } from '../../api/status.ts';
import type { Node, Pod } from '../../api/types.gen.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../contract.ts';
import type { StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { isFor, refuse } from './refuse.ts';

/** Refuses at once what a pod's node could never give it (KEP-1287); what it cannot give just now is the kubelet's to say. */
export function podResizeValidator(objects: StoredObjects): AdmissionPlugin {
  const nodes = stored<Node>(objects, '', 'v1', 'nodes');
  return {
    name: 'PodResizeValidator',
    validate(request) {
      if (request.operation !== 'UPDATE' || !isFor(request, '', 'pods', 'resize')) return;
      const pod = request.object as unknown as Pod;
      const nodeName = pod.spec?.nodeName;
      if (!nodeName || pod.metadata.generation === request.oldObject?.metadata.generation) return;
      const node = nodes.get('', nodeName);
      if (!node) throw refuse(request, `node "${nodeName}" not found`);
      const os = node.metadata.labels?.['kubernetes.io/os'] ?? 'linux';
      if (os !== 'linux')
        throw refuseFor(request, 'UnsupportedPlatform', `pod resize is only supported on linux nodes, node "${nodeName}" is "${os}"`);
      const lacking = lackOf(pod, node.status?.allocatable ?? {});
      if (lacking.length > 0)
        throw refuseFor(request, 'NodeCapacity', `node didn't have enough allocatable resources: ${lacking.join('; ')}`);
    },
  };
}

function lackOf(pod: Pod, allocatable: Readonly<Record<string, string>>): string[] {
  const requested = usageOf({ group: '', resource: 'pods' }, pod as KubeObject);
  const resources = [
    ['cpu', cpuMillis],
    ['memory', bytesOf],
  ] as const;
  return resources.flatMap(([name, count]) => {
    const [wanted, most] = [requested[name] ?? '0', allocatable[name] ?? '0'];
    return compareQuantities(wanted, most) > 0 ? [`${name}, requested: ${count(wanted)}, allocatable: ${count(most)}`] : [];
  });
}

function refuseFor(request: AdmissionRequest, cause: string, why: string): StatusError {
  const { message, status } = refuse(request, why);
  return statusError('Forbidden', message, { ...status.details, causes: [{ reason: cause }] });
}
