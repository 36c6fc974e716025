/** Scheduler and kubelets of the model: each call of `act` moves some pods a step on, as far as chance says. */
import { timestamp } from '../../../src/api/time.ts';
import { StatusError } from '../../../src/api/status.ts';
import type { Pod, PodStatus } from '../../../src/api/types.gen.ts';
import { PODS } from '../../../src/client/resources.ts';
import type { Rng } from '../../../src/lib/random.ts';
import { hasEnded, isReady } from './truth.ts';
import type { World } from './world.ts';

/** Probabilities, 0 to 1, for one pod in one call. */
export interface Diligence {
  /** A pod that could be bound, started, become ready or be ended is. */
  work: number;
  /** A pod that runs to its end ends, and then fails. */
  end: number;
  fail: number;
}

export const DILIGENT: Diligence = { work: 1, end: 1, fail: 0 };

export async function act(world: World, rng: Rng, { work, end, fail }: Diligence): Promise<void> {
  for (const pod of world.truth.all('pods')) {
    if (rng.next() >= work) continue;
    const { deletionTimestamp } = pod.metadata;
    if (deletionTimestamp) await finish(world, pod);
    else if (!pod.spec?.nodeName) await bind(world, rng, pod);
    else if (hasEnded(pod)) continue;
    else if (!isReady(pod)) await report(world, pod, running(world));
    else if (pod.spec.restartPolicy !== 'Always' && rng.next() < end) await report(world, pod, ended(rng.next() >= fail));
  }
}

/** A pod of a node that is gone has no kubelet. */
async function finish(world: World, pod: Pod): Promise<void> {
  const { name, uid, finalizers = [] } = pod.metadata;
  if (pod.spec?.nodeName && !world.truth.get('minions', pod.spec.nodeName)) return;
  if (!hasEnded(pod)) await report(world, pod, ended(false));
  if (finalizers.length > 0 && world.truth.get('pods', name!)?.metadata.deletionGracePeriodSeconds === 0) return;
  await unlessLost(world.admin.resource(PODS, 'default').delete(name!, { gracePeriodSeconds: 0, preconditions: { uid: uid! } }));
}

async function bind(world: World, rng: Rng, { metadata: { name }, spec }: Pod): Promise<void> {
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const pinned = terms[0]?.matchFields?.[0]?.values?.[0];
  const nodes = world.truth.all('minions').filter((node) => !pinned || node.metadata.name === pinned);
  const node = nodes[Math.floor(rng.next() * nodes.length)];
  if (!node) return;
  const target = { apiVersion: 'v1', kind: 'Node', name: node.metadata.name! };
  const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name: name! }, target };
  await unlessLost(world.admin.resource(PODS, 'default').subresource(name!, 'binding', 'POST', binding));
}

export async function report(world: World, { metadata: { name, uid } }: Pod, status: PodStatus): Promise<void> {
  await unlessLost(world.admin.resource(PODS, 'default').patch(name!, 'merge', { metadata: { uid }, status }, 'status'));
}

export function running(world: World, ready = true): PodStatus {
  const lastTransitionTime = timestamp(world.clock.now());
  const condition = (type: string, status = 'True') => ({ type, status, lastTransitionTime });
  return {
    phase: 'Running',
    conditions: [
      condition('PodScheduled'),
      condition('Initialized'),
      condition('ContainersReady', ready ? 'True' : 'False'),
      condition('Ready', ready ? 'True' : 'False'),
    ],
  };
}

export function ended(well: boolean): PodStatus {
  return { phase: well ? 'Succeeded' : 'Failed', conditions: [] };
}

/** Somebody else was quicker: the pod is gone, or another. */
export async function unlessLost(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof StatusError) || ![404, 409].includes(error.code)) throw error;
  }
}
