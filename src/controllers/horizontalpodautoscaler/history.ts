/**
 * What an autoscaler recommended and did a while ago. In memory only: after a restart the number of replicas that is found counts as the first
 * recommendation, so that nothing is scaled down before its window has passed.
 */
import type { V2HPAScalingRules, V2HorizontalPodAutoscalerBehavior } from '../../api/types.gen.ts';

interface Recommendation {
  replicas: number;
  at: number;
}

interface ScaleEvent {
  /** Replicas that came or went, always positive. */
  change: number;
  at: number;
}

/** The longest stabilization window that validation allows. */
const KEPT_MS = 3_600_000;

export class ScalingHistory {
  #recommendations: Recommendation[] = [];
  #ups: ScaleEvent[] = [];
  #downs: ScaleEvent[] = [];

  /** Counts only as the first of all. */
  begin(replicas: number, now: number): void {
    if (this.#recommendations.length === 0) this.#recommendations.push({ replicas, at: now });
  }

  recommended(replicas: number, now: number): void {
    this.#recommendations = this.#recommendations.filter(({ at }) => at > now - KEPT_MS);
    this.#recommendations.push({ replicas, at: now });
  }

  /** Recommendations of less than `windowMs` ago. */
  recent(windowMs: number, now: number): number[] {
    return this.#recommendations.filter(({ at }) => at > now - windowMs).map(({ replicas }) => replicas);
  }

  /** Noted for as long as a policy of the behavior looks back. */
  scaled(from: number, to: number, behavior: V2HorizontalPodAutoscalerBehavior, now: number): void {
    const event = { change: Math.abs(to - from), at: now };
    // Policies of either direction look back at both.
    const longest = Math.max(longestPeriod(behavior.scaleUp), longestPeriod(behavior.scaleDown));
    if (to > from) this.#ups = [...during(this.#ups, longest, now), event];
    else this.#downs = [...during(this.#downs, longest, now), event];
  }

  /** How many replicas there were `periodSeconds` ago, as far as the autoscaler itself changed them. */
  replicasBefore(current: number, periodSeconds: number, now: number): number {
    return current - sum(during(this.#ups, periodSeconds, now)) + sum(during(this.#downs, periodSeconds, now));
  }
}

function longestPeriod(rules: V2HPAScalingRules | undefined): number {
  return Math.max(0, ...(rules?.policies ?? []).map(({ periodSeconds }) => periodSeconds));
}

function during(events: readonly ScaleEvent[], seconds: number, now: number): ScaleEvent[] {
  return events.filter(({ at }) => at > now - seconds * 1000);
}

function sum(events: readonly ScaleEvent[]): number {
  return events.reduce((total, { change }) => total + change, 0);
}
