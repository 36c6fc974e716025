import type { PodDisruptionBudget } from '../api/types.gen.ts';
import type { Informer } from '../client/informer.ts';
import type { DefaultPreemptionArgs } from './config/arguments.ts';
import type { BegunPlugin } from './framework.ts';
import type { Extender } from './extenders.ts';
import type { FitFailure } from './failure.ts';
import type { WeightedPlugin } from './framework.ts';
import { leastHarm, preemptionCandidates, type PreemptionPlan } from './preemption.ts';
import type { PodInfo, Snapshot } from './snapshot.ts';

export interface AfterFilters {
  plugins: readonly WeightedPlugin[];
  /** undefined: less important pods stay. */
  preemption: DefaultPreemptionArgs | undefined;
  snapshot: Snapshot;
  budgets: Informer<PodDisruptionBudget>;
  /** Those that mind this pod. */
  extenders: readonly Extender[];
  signal: AbortSignal;
}

/** What can be done for a pod that fits nowhere: devices given back, else less important pods removed; or what each says of why not. */
export async function afterFilters(
  info: PodInfo,
  failure: FitFailure,
  begun: readonly BegunPlugin[],
  { plugins, preemption, snapshot, budgets, extenders, signal }: AfterFilters,
): Promise<{ plan: PreemptionPlan } | { messages: string[] }> {
  const messages: string[] = [];
  for (const { cycle } of begun) if (cycle.postFilter) messages.push(await cycle.postFilter());
  const minds = plugins.some(({ plugin, points }) => plugin.name === 'DynamicResources' && (!points || points.has('postFilter')));
  if (minds && messages.length === 0 && failure.total > 0) messages.push('no new claims to deallocate');
  if (!preemption) return { messages };
  await budgets.start();
  const found = preemptionCandidates(info, failure, snapshot, { plugins, budgets: budgets.list(), args: preemption });
  if ('message' in found) return { messages: [...messages, `preemption: ${found.message}`] };
  let candidates: readonly PreemptionPlan[] = found.candidates;
  for (const extender of extenders) candidates = await extender.preempt(info.pod, candidates, signal);
  const plan = leastHarm(candidates);
  return plan ? { plan } : { messages };
}
