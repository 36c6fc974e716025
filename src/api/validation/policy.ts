/** Disruption budgets. */
import type { PodDisruptionBudget } from '../types.gen.ts';
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
