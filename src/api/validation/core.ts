/** Nodes and priorities: what describes the cluster. */
import { semanticEqual } from '../patch/json.ts';
import type { Node, PriorityClass } from '../types.gen.ts';
import type { Problems } from './problems.ts';
import { checkTaints } from './scheduling.ts';

export function checkNode(problems: Problems, { spec }: Node): void {
  checkTaints(problems, 'spec.taints', spec?.taints ?? []);
}

export function checkNodeUpdate(problems: Problems, { spec }: Node, old: Node): void {
  const assigned = old.spec?.podCIDRs ?? [];
  if (assigned.length > 0 && !semanticEqual(spec?.podCIDRs, assigned))
    problems.forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid');
  if (old.spec?.providerID && spec?.providerID !== old.spec.providerID)
    problems.forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid');
}

const USER_PRIORITY_MAX = 1_000_000_000;
const SYSTEM_CLASSES: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
};

export function checkPriorityClass(problems: Problems, { metadata, value = 0, preemptionPolicy }: PriorityClass): void {
  if (metadata.name?.startsWith('system-')) {
    if (SYSTEM_CLASSES[metadata.name] !== value) {
      const why = `${metadata.name} is not a known system priority class`;
      problems.forbidden('metadata.name', `priority class names with 'system-' prefix are reserved for system use only. error: ${why}`);
    }
  } else if (value > USER_PRIORITY_MAX) {
    problems.forbidden('value', `maximum allowed value of a user defined priority is ${USER_PRIORITY_MAX}`);
  }
  if (preemptionPolicy !== undefined) problems.oneOf('preemptionPolicy', preemptionPolicy, ['Never', 'PreemptLowerPriority']);
}

export function checkPriorityClassUpdate(problems: Problems, next: PriorityClass, old: PriorityClass): void {
  if (next.value !== old.value) problems.forbidden('value', 'may not be changed in an update.');
  problems.immutable('preemptionPolicy', next.preemptionPolicy === old.preemptionPolicy, next.preemptionPolicy);
}
