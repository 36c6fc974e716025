/** How full a node should be: the strategies of NodeResourcesFit. */
import { MAX_SCORE } from '../framework.ts';

export interface ResourceWeight {
  name: string;
  weight: number;
}

export interface ShapePoint {
  /** Per cent of the node's allocatable, 0–100. */
  utilization: number;
  /** 0–10. */
  score: number;
}

export interface ScoringStrategy {
  type: 'LeastAllocated' | 'MostAllocated' | 'RequestedToCapacityRatio';
  /** CPU and memory alike unless given. */
  resources?: readonly ResourceWeight[];
  requestedToCapacityRatio?: { shape: readonly ShapePoint[] };
}

const MAX_CUSTOM_SCORE = 10;
const FULL = 100;

/** The score 0–100 of one resource, by what would be requested and what there is; undefined when it does not count (upstream's ratio strategy). */
export function strategyScore(strategy: ScoringStrategy): (requested: number, allocatable: number) => number | undefined {
  if (strategy.type === 'LeastAllocated') {
    return (requested, allocatable) => (requested > allocatable ? 0 : Math.floor(((allocatable - requested) * MAX_SCORE) / allocatable));
  }
  // Pods without requests count as a little, which may be more than there is.
  if (strategy.type === 'MostAllocated')
    return (requested, allocatable) => Math.floor((Math.min(requested, allocatable) * MAX_SCORE) / allocatable);
  const at = brokenLine(strategy.requestedToCapacityRatio?.shape ?? []);
  return (requested, allocatable) => {
    const score = at(requested > allocatable ? FULL : Math.floor((requested * FULL) / allocatable));
    return score > 0 ? score : undefined;
  };
}

/** Scores 0–100 between the points of the shape, and its ends beyond them. */
function brokenLine(shape: readonly ShapePoint[]): (utilization: number) => number {
  const points = shape.map(({ utilization, score }) => ({ utilization, score: (score * MAX_SCORE) / MAX_CUSTOM_SCORE }));
  return (utilization) => {
    const after = points.findIndex((point) => utilization <= point.utilization);
    if (after === -1) return points.at(-1)?.score ?? 0;
    if (after === 0) return points[0]!.score;
    const from = points[after - 1]!;
    const to = points[after]!;
    return from.score + Math.trunc(((to.score - from.score) * (utilization - from.utilization)) / (to.utilization - from.utilization));
  };
}

/** Names with a domain that is not Kubernetes's own; only pods that ask for such a resource are scored by it. */
export function isExtended(name: string): boolean {
  return name.includes('/') && !name.split('/', 1)[0]!.endsWith('kubernetes.io') && !name.startsWith('requests.');
}
