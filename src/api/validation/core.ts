/** Nodes, quotas, limits, priorities: what describes the cluster. */
import { compareQuantities } from '../codec/quantity.ts';
import { semanticEqual } from '../patch/json.ts';
import type { LimitRange, Node, PriorityClass, ResourceQuota } from '../types.gen.ts';
import { qualifiedNameProblems } from './names.ts';
import type { Problems } from './problems.ts';
import { checkQuantity } from './resources.ts';
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

export function checkResourceQuota(problems: Problems, { spec }: ResourceQuota): void {
  for (const [name, quantity] of Object.entries(spec?.hard ?? {})) {
    problems.invalidEach(`spec.hard[${name}]`, name, qualifiedNameProblems(name));
    checkQuantity(problems, `spec.hard[${name}]`, quantity);
  }
}

type Amounts = Readonly<Record<string, string>> | undefined;

export function checkLimitRange(problems: Problems, { spec }: LimitRange): void {
  const types = new Set<string>();
  for (const [index, limit] of (spec?.limits ?? []).entries()) {
    const path = `spec.limits[${index}]`;
    if (types.has(limit.type)) problems.duplicate(`${path}.type`, limit.type);
    types.add(limit.type);
    const { max, min, defaultRequest } = limit;
    const defaults = (limit as { default?: Amounts }).default;
    checkOrder(problems, `${path}.min`, ['min', min], ['max', max]);
    checkOrder(problems, `${path}.defaultRequest`, ['min', min], ['default request', defaultRequest]);
    checkOrder(problems, `${path}.defaultRequest`, ['default request', defaultRequest], ['max', max]);
    checkOrder(problems, `${path}.defaultRequest`, ['default request', defaultRequest], ['default', defaults]);
    checkOrder(problems, `${path}.default`, ['min', min], ['default', defaults]);
    checkOrder(problems, `${path}.default`, ['default', defaults], ['max', max]);
  }
}

/** What must not be more than another amount of the same resource. */
function checkOrder(problems: Problems, path: string, [lowName, low]: [string, Amounts], [highName, high]: [string, Amounts]): void {
  for (const [resource, amount] of Object.entries(low ?? {})) {
    const bound = high?.[resource];
    if (bound !== undefined && compareQuantities(amount, bound) > 0)
      problems.invalid(`${path}[${resource}]`, amount, `${lowName} value ${amount} is greater than ${highName} value ${bound}`);
  }
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
