import type { ContainerStatus, Pod } from '../../api/types.gen.ts';
import { appContainers, initContainers, initRestartsAfter, isSidecar, restartsAfter } from './containers-of.ts';

/** The phase of a pod by the states of its containers (upstream's getPhase). */
export function podPhase(
  pod: Pod,
  initStatuses: readonly ContainerStatus[],
  appStatuses: readonly ContainerStatus[],
  terminating: boolean,
): string {
  const init = initContainers(pod);
  for (const [i, status] of initStatuses.entries()) {
    const container = init[i]!;
    const ended = status.state?.terminated;
    if (isSidecar(container) || !ended || ended.exitCode === 0) continue;
    if (!initRestartsAfter(pod, container, ended.exitCode)) return 'Failed';
  }
  const states = appStatuses.map((status, i) => ({
    container: appContainers(pod)[i]!,
    state: status.state ?? {},
    last: status.lastState ?? {},
  }));
  const running = states.filter(({ state }) => state.running).length;
  const ended = states.filter(({ state }) => state.terminated);
  const waiting = states.filter(({ state }) => state.waiting && !state.terminated);
  const unstarted = waiting.filter(({ last }) => !last.terminated);
  const allEnded = ended.length === states.length;
  const succeeded = ended.every(({ state }) => state.terminated!.exitCode === 0);
  if (terminating && running === 0) {
    // nothing will be started any more: what never ran counts as failed
    if (allEnded) return succeeded ? 'Succeeded' : 'Failed';
    return 'Failed';
  }
  const initPending = init.some((container, i) => {
    const state = initStatuses[i]?.state;
    if (isSidecar(container)) return !initStatuses[i]?.started && unstarted.length === states.length;
    return state?.terminated?.exitCode !== 0 && unstarted.length === states.length;
  });
  if (initPending || unstarted.length > 0) return 'Pending';
  if (running > 0 || waiting.length > 0) return 'Running';
  if (!allEnded) return 'Pending';
  if (states.some(({ container, state }) => restartsAfter(pod, container, state.terminated!.exitCode))) return 'Running';
  return succeeded ? 'Succeeded' : 'Failed';
}
