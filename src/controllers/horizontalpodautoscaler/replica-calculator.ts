/**
 * How many replicas bring a metric to its target: `ceil(replicas * current / target)`, cautious about pods that tell nothing (the algorithm of
 * the page "Horizontal Pod Autoscaling"). Pure: pods and metrics come in as they were read. Amounts are in thousandths.
 */
import type { Pod } from '../../api/types.gen.ts';
import { isReady } from '../pods/pod-state.ts';
import type { PodMetricsByName } from './metrics-client.ts';
import { groupPods, type PodGroups, requestsOf } from './pod-groups.ts';

/** How far from the target a ratio may be without a change, for each direction. */
export interface Tolerances {
  up: number;
  down: number;
}

export interface Scene {
  pods: readonly Pod[];
  currentReplicas: number;
  tolerances: Tolerances;
  /** Milliseconds since the epoch. */
  now: number;
}

export interface Proposal {
  replicas: number;
  /** The average of a pod, or the whole for metrics of objects. */
  milli: number;
  /** Percent of the requests, where the target is one. */
  utilization?: number;
}

interface Usage {
  ratio: number;
  milli: number;
  utilization?: number;
}

const NO_PODS = 'no pods returned by selector while calculating replica count';

/** For a target in percent of what the pods request. Throws when there is nothing to go by. */
export function byUtilization(
  scene: Scene,
  metrics: PodMetricsByName,
  { percent, resource, container }: { percent: number; resource: string; container: string },
): Proposal {
  const requests = (): Map<string, number> => requestsOf(scene.pods, resource, container);
  let known: Map<string, number> | undefined;
  return fromPods(scene, metrics, resource, {
    usage: (of) => utilizationOf(of, (known ??= requests()), percent),
    // A pod that tells nothing is taken to use all that it requests, or the target where that is more.
    assumed: (name) => Math.trunc((known!.get(name)! * Math.max(100, percent)) / 100),
  });
}

/** For a target that is an amount for each pod; `resource` is '' for custom metrics. */
export function byAmount(scene: Scene, metrics: PodMetricsByName, { target, resource }: { target: number; resource: string }): Proposal {
  return fromPods(scene, metrics, resource, { usage: (of) => amountOf(of, target), assumed: () => target });
}

/** For one value that all ready pods share. */
export function byRatio({ pods, currentReplicas, tolerances }: Scene, milli: number, target: number): Proposal {
  const ratio = milli / target;
  if (currentReplicas === 0) return { replicas: Math.ceil(ratio), milli };
  if (isWithin(tolerances, ratio)) return { replicas: currentReplicas, milli };
  if (pods.length === 0) throw new Error(`unable to calculate ready pods: ${NO_PODS}`);
  const ready = pods.filter((pod) => pod.status?.phase === 'Running' && isReady(pod)).length;
  return { replicas: Math.ceil(ratio * ready), milli };
}

/** For one value of which each of `currentReplicas` pods is to have its share of `target`. */
export function byShare({ currentReplicas, tolerances }: Scene, milli: number, target: number): Proposal {
  const ratio = milli / (target * currentReplicas);
  const replicas = isWithin(tolerances, ratio) ? currentReplicas : Math.ceil(milli / target);
  // A target that counts no replicas yet has nobody to share with.
  return { replicas, milli: Math.ceil(milli / Math.max(1, currentReplicas)) };
}

interface Measure {
  usage(metrics: PodMetricsByName): Usage;
  /** What a pod without a metric is taken to use where that would keep it. */
  assumed(pod: string): number;
}

function fromPods(scene: Scene, given: PodMetricsByName, resource: string, measure: Measure): Proposal {
  const { pods, currentReplicas, tolerances, now } = scene;
  if (pods.length === 0) throw new Error(NO_PODS);
  const groups = groupPods(pods, given, resource, now);
  const metrics = new Map([...given].filter(([name]) => !groups.ignored.has(name) && !groups.unready.has(name)));
  if (metrics.size === 0) throw new Error('did not receive metrics for targeted pods (pods might be unready)');
  const { ratio, ...told } = measure.usage(metrics);
  const unreadyCount = groups.unready.size > 0 && ratio > 1;
  if (!unreadyCount && groups.missing.size === 0) {
    return { replicas: isWithin(tolerances, ratio) ? currentReplicas : Math.ceil(ratio * groups.readyCount), ...told };
  }
  assume(metrics, groups, ratio, measure);
  const cautious = measure.usage(metrics).ratio;
  const turned = (ratio < 1 && cautious > 1) || (ratio > 1 && cautious < 1);
  if (isWithin(tolerances, cautious) || turned) return { replicas: currentReplicas, ...told };
  const replicas = Math.ceil(cautious * metrics.size);
  // Pods that were not counted at first must not turn the direction either.
  const backwards = (cautious < 1 && replicas > currentReplicas) || (cautious > 1 && replicas < currentReplicas);
  return { replicas: backwards ? currentReplicas : replicas, ...told };
}

/** Fills in what is not known, against the direction: nothing where it is up, plenty where it is down. */
function assume(metrics: PodMetricsByName, { missing, unready }: PodGroups, ratio: number, { assumed }: Measure): void {
  const filled = (milli: number) => ({ milli, at: 0, windowMs: 0 });
  // Exactly on target there is no direction to be cautious about.
  if (ratio !== 1) for (const name of missing) metrics.set(name, filled(ratio < 1 ? assumed(name) : 0));
  if (ratio > 1) for (const name of unready) metrics.set(name, filled(0));
}

function utilizationOf(metrics: PodMetricsByName, requests: ReadonlyMap<string, number>, percent: number): Usage {
  let [used, requested, count] = [0, 0, 0];
  for (const [name, { milli }] of metrics) {
    const request = requests.get(name);
    // A metric of a pod that is gone by now.
    if (request === undefined) continue;
    used += milli;
    requested += request;
    count++;
  }
  if (requested === 0) throw new Error('no metrics returned matched known pods');
  const utilization = Math.trunc((used * 100) / requested);
  return { ratio: utilization / percent, utilization, milli: Math.trunc(used / count) };
}

function amountOf(metrics: PodMetricsByName, target: number): Usage {
  const total = [...metrics.values()].reduce((sum, { milli }) => sum + milli, 0);
  const milli = Math.trunc(total / metrics.size);
  return { ratio: milli / target, milli };
}

function isWithin({ up, down }: Tolerances, ratio: number): boolean {
  return 1 - down <= ratio && ratio <= 1 + up;
}
