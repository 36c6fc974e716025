/** Disruption budgets and autoscalers. */
import type { HorizontalPodAutoscaler, PodDisruptionBudget } from '../types.gen.ts';
import { pathSegmentProblems } from './names.ts';
import type { Problems } from './problems.ts';
import { checkSelector } from './scheduling.ts';
import { checkCountOrPercent } from './workloads.ts';

export function checkPodDisruptionBudget(problems: Problems, { spec }: PodDisruptionBudget): void {
  if (!spec) return;
  if (spec.minAvailable !== undefined && spec.maxUnavailable !== undefined)
    problems.invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set');
  checkCountOrPercent(problems, 'spec.minAvailable', spec.minAvailable, true);
  checkCountOrPercent(problems, 'spec.maxUnavailable', spec.maxUnavailable, true);
  checkSelector(problems, 'spec.selector', spec.selector);
  const policy = spec.unhealthyPodEvictionPolicy;
  if (policy !== undefined && policy !== 'AlwaysAllow' && policy !== 'IfHealthyBudget')
    problems.unsupported('spec.unhealthyPodEvictionPolicy', policy, ['AlwaysAllow', 'IfHealthyBudget']);
}

/** Both versions: they share what is checked here. */
export function checkHorizontalPodAutoscaler(problems: Problems, { spec }: HorizontalPodAutoscaler): void {
  if (!spec) return problems.required('spec');
  const { minReplicas, maxReplicas, scaleTargetRef } = spec;
  if (minReplicas !== undefined && minReplicas < 1) problems.invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1');
  if (maxReplicas < 1) problems.invalid('spec.maxReplicas', maxReplicas, 'must be greater than 0');
  if (minReplicas !== undefined && maxReplicas < minReplicas)
    problems.invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`');
  for (const field of ['kind', 'name'] as const) {
    const value = scaleTargetRef?.[field];
    if (!value) problems.required(`spec.scaleTargetRef.${field}`);
    else problems.invalidEach(`spec.scaleTargetRef.${field}`, value, pathSegmentProblems(value));
  }
}
