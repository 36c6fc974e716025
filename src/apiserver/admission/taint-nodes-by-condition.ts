import type { NodeSpec } from '../../api/types.gen.ts';
import type { AdmissionPlugin } from '../contract.ts';
import { isFor } from './refuse.ts';

const NOT_READY = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };

/** A new node takes no pods before the node lifecycle controller has seen it ready. */
export function taintNodesByCondition(): AdmissionPlugin {
  return {
    name: 'TaintNodesByCondition',
    mutate(request) {
      if (request.operation !== 'CREATE' || !isFor(request, '', 'nodes')) return undefined;
      const spec = (request.object!['spec'] ?? {}) as NodeSpec;
      const taints = spec.taints ?? [];
      if (taints.some(({ key, effect }) => key === NOT_READY.key && effect === NOT_READY.effect)) return undefined;
      return { ...request.object!, spec: { ...spec, taints: [...taints, NOT_READY] } };
    },
  };
}
