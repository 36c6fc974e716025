import type { PodSpec, Toleration } from '../../api/types.gen.ts';
import type { AdmissionPlugin } from '../contract.ts';
import { isFor } from './refuse.ts';

const SECONDS = 300;
const TAINTS = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

/** Pods stay five minutes on a node that is not ready or not reachable, unless they say otherwise. */
export function defaultTolerationSeconds(): AdmissionPlugin {
  return {
    name: 'DefaultTolerationSeconds',
    mutate(request) {
      if ((request.operation !== 'CREATE' && request.operation !== 'UPDATE') || !isFor(request, '', 'pods')) return undefined;
      const spec = request.object!['spec'] as PodSpec;
      const tolerations = spec.tolerations ?? [];
      const missing = TAINTS.filter((taint) => !tolerations.some((toleration) => tolerates(toleration, taint)));
      if (missing.length === 0) return undefined;
      const added = missing.map((key): Toleration => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: SECONDS }));
      return { ...request.object!, spec: { ...spec, tolerations: [...tolerations, ...added] } };
    },
  };
}

function tolerates({ key = '', effect = '' }: Toleration, taint: string): boolean {
  return (key === taint || key === '') && (effect === 'NoExecute' || effect === '');
}
