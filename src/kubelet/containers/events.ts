import type { ObjectReference, Pod } from '../../api/types.gen.ts';
import type { EventRecorder } from '../../client/events.ts';
import { initContainers } from '../pods/containers-of.ts';

export type EventType = 'Normal' | 'Warning';

/** The pod as an event's subject; with a container, its place in the spec as upstream's `spec.containers{web}`. */
export function podReference(pod: Pod, container?: string): ObjectReference {
  const { name, namespace, uid, resourceVersion } = pod.metadata;
  const list =
    container === undefined
      ? undefined
      : initContainers(pod).some((one) => one.name === container)
        ? 'initContainers'
        : (pod.spec?.ephemeralContainers ?? []).some((one) => one.name === container)
          ? 'ephemeralContainers'
          : 'containers';
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    name,
    namespace,
    uid,
    resourceVersion,
    ...(list ? { fieldPath: `spec.${list}{${container}}` } : {}),
  };
}

export function containerEvent(
  events: EventRecorder,
  pod: Pod,
  container: string,
  event: { type: EventType; reason: string; message: string },
): void {
  events.event(podReference(pod, container), event.type, event.reason, event.message);
}
