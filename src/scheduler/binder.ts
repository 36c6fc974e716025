import { StatusError } from '../api/status.ts';
import { timestamp } from '../api/time.ts';
import type { Pod, PodCondition } from '../api/types.gen.ts';
import type { ComponentContext } from '../client/reconcile.ts';
import { PODS } from '../client/resources.ts';
import type { PreemptionPlan } from './preemption.ts';

/** What the scheduler writes about pods. */
export interface Binder {
  /** Binds the pod. Throws StatusError. */
  bind(pod: Pod, nodeName: string): Promise<void>;
  /** Sets PodScheduled=False with the message, and the nominated node; writes nothing when that is what the pod says already. */
  markUnschedulable(pod: Pod, message: string, nominatedNodeName?: string): Promise<void>;
  /** Deletes the victims. */
  preempt(pod: Pod, plan: PreemptionPlan): Promise<void>;
}

/** Writes through `context`'s client and records events in its name. */
export function createBinder({ client, clock, events }: ComponentContext): Binder {
  const pods = (pod: Pod) => client.resource(PODS, pod.metadata.namespace);
  const now = (): string => timestamp(clock.now());

  return {
    bind: async (pod, nodeName) => {
      const { name, namespace, uid } = pod.metadata;
      const target = { apiVersion: 'v1', kind: 'Node', name: nodeName };
      await pods(pod).subresource(name!, 'binding', 'POST', {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name, namespace, uid },
        target,
      });
    },

    markUnschedulable: async (pod, message, nominatedNodeName) => {
      const current = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
      const isSame = current?.status === 'False' && current.reason === 'Unschedulable' && current.message === message;
      if (isSame && (nominatedNodeName === undefined || nominatedNodeName === pod.status?.nominatedNodeName)) return;
      const condition: PodCondition = {
        type: 'PodScheduled',
        status: 'False',
        reason: 'Unschedulable',
        message,
        observedGeneration: pod.metadata.generation,
        lastTransitionTime: current?.status === 'False' ? current.lastTransitionTime : now(),
      };
      const status = { conditions: [condition], ...(nominatedNodeName === undefined ? {} : { nominatedNodeName }) };
      await pods(pod).patch(pod.metadata.name!, 'strategic', { metadata: { uid: pod.metadata.uid }, status }, 'status');
    },

    preempt: async (pod, { victims, node }) => {
      await Promise.all(victims.map(({ pod: victim }) => remove(victim, pod, node.name)));
    },
  };

  async function remove(victim: Pod, pod: Pod, nodeName: string): Promise<void> {
    if (victim.metadata.deletionTimestamp) return;
    const condition: PodCondition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'PreemptionByScheduler',
      message: `${pod.spec!.schedulerName}: preempting to accommodate a higher priority pod`,
      observedGeneration: victim.metadata.generation,
      lastTransitionTime: now(),
    };
    try {
      await pods(victim).patch(victim.metadata.name!, 'strategic', { status: { conditions: [condition] } }, 'status');
      await pods(victim).delete(victim.metadata.name!, { preconditions: { uid: victim.metadata.uid } });
    } catch (error) {
      if (!StatusError.is(error, 'NotFound') && !StatusError.is(error, 'Conflict')) throw error;
      return;
    }
    events.event(victim, 'Normal', 'Preempted', `Preempted by pod ${pod.metadata.uid} on node ${nodeName}`);
  }
}
