/** The containers of a pod's spec by their role. */
import type { Container, Pod } from '../../api/types.gen.ts';

/** An init container that keeps running beside the app (KEP-753). */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

export const initContainers = (pod: Pod): readonly Container[] => pod.spec?.initContainers ?? [];
export const appContainers = (pod: Pod): readonly Container[] => pod.spec?.containers ?? [];
export const ephemeralContainers = (pod: Pod): readonly Container[] => pod.spec?.ephemeralContainers ?? [];

export function findContainer(pod: Pod, name: string): Container | undefined {
  return [...appContainers(pod), ...initContainers(pod), ...ephemeralContainers(pod)].find((container) => container.name === name);
}

/** Whether a container that ended so is started again: its own policy (and rules) first, then the pod's. */
export function restartsAfter(pod: Pod, container: Container, exitCode: number): boolean {
  for (const { action, exitCodes } of container.restartPolicyRules ?? []) {
    const listed = exitCodes?.values?.includes(exitCode) ?? false;
    if (action === 'Restart' && exitCodes && (exitCodes.operator === 'In' ? listed : !listed)) return true;
  }
  const policy = container.restartPolicy ?? pod.spec?.restartPolicy ?? 'Always';
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
}

/** The same for an init container: one that succeeded is done, and the pod's Always means OnFailure for it. */
export function initRestartsAfter(pod: Pod, container: Container, exitCode: number): boolean {
  if (isSidecar(container)) return true;
  return exitCode !== 0 && restartsAfter(pod, container, exitCode);
}
