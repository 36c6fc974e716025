import { timestamp } from '../../api/time.ts';
import type { V2HorizontalPodAutoscalerCondition as Condition } from '../../api/types.gen.ts';

export interface NewCondition {
  type: 'AbleToScale' | 'ScalingActive' | 'ScalingLimited';
  status: 'True' | 'False';
  reason: string;
  message: string;
}

/** The conditions with `next` in its place, or last. The time of transition is that of the status. `now` in milliseconds since the epoch. */
export function withCondition(conditions: readonly Condition[], next: NewCondition, now: number): Condition[] {
  const before = conditions.find(({ type }) => type === next.type);
  const lastTransitionTime = before?.status === next.status ? before.lastTransitionTime : undefined;
  const condition = { ...next, lastTransitionTime: lastTransitionTime ?? timestamp(now) };
  return before ? conditions.map((each) => (each === before ? condition : each)) : [...conditions, condition];
}
