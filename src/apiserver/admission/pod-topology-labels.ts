import type { Node } from '../../api/types.gen.ts';
import type { AdmissionPlugin } from '../contract.ts';
import type { StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { isFor } from './refuse.ts';

const LABELS = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region'];

/** A binding carries the zone and region of its node, which storing it puts on the pod (KEP-4742). */
export function podTopologyLabels(objects: StoredObjects): AdmissionPlugin {
  const nodes = stored<Node>(objects, '', 'v1', 'nodes');
  return {
    name: 'PodTopologyLabels',
    mutate(request) {
      if (request.operation !== 'CREATE' || !request.object || !(isFor(request, '', 'pods', 'binding') || isFor(request, '', 'bindings')))
        return undefined;
      const target = request.object['target'] as { kind?: string; name?: string } | undefined;
      const labels = nodes.get('', target?.name ?? '')?.metadata.labels ?? {};
      const found = LABELS.filter((label) => labels[label] !== undefined).map((label) => [label, labels[label]!] as const);
      if (found.length === 0) return undefined;
      const { metadata } = request.object;
      return { ...request.object, metadata: { ...metadata, labels: { ...metadata.labels, ...Object.fromEntries(found) } } };
    },
  };
}
