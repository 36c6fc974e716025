/** Pods: the STATUS and RESTARTS columns tell a pod's whole story in two words. */
import type { ContainerState, ContainerStatus, Pod, PodTemplate } from '../types.gen.ts';
import { AGE, ageOf, column, containerCells, labelsText, NAME, NONE, wide } from './columns.ts';
import type { Printer, RowCondition } from './columns.ts';
import { since } from './duration.ts';

export const pods: Printer<Pod> = {
  columns: [
    NAME,
    column('Ready'),
    column('Status'),
    column('Restarts'),
    AGE,
    wide('IP'),
    wide('Node'),
    wide('Nominated Node'),
    wide('Readiness Gates'),
  ],
  cells(pod, now) {
    const { ready, total, reason, restarts, lastRestart } = summarize(pod);
    return [
      pod.metadata.name!,
      `${ready}/${total}`,
      reason,
      restarts > 0 && lastRestart ? `${restarts} (${since(lastRestart, now)} ago)` : String(restarts),
      ageOf(pod, now),
      pod.status?.podIPs?.[0]?.ip || pod.status?.podIP || NONE,
      pod.spec?.nodeName || NONE,
      pod.status?.nominatedNodeName || NONE,
      readinessGates(pod),
    ];
  },
  conditions: (pod) => COMPLETED[pod.status?.phase ?? ''],
};

export const podTemplates: Printer<PodTemplate> = {
  columns: [NAME, column('Containers'), column('Images'), column('Pod Labels')],
  cells: ({ metadata, template }) => [metadata.name!, ...containerCells(template?.spec), labelsText(template?.metadata?.labels)],
};

const COMPLETED: Readonly<Record<string, RowCondition[]>> = {
  Succeeded: [{ type: 'Completed', status: 'True', reason: 'Succeeded', message: 'The pod has completed successfully.' }],
  Failed: [{ type: 'Completed', status: 'True', reason: 'Failed', message: 'The pod failed.' }],
};

interface Summary {
  ready: number;
  total: number;
  reason: string;
  restarts: number;
  lastRestart: string | undefined;
}

/** Counts restarts of some containers, and remembers when the last of them ended. */
class Restarts {
  count = 0;
  last: string | undefined;

  add({ restartCount = 0, lastState }: Partial<ContainerStatus>): void {
    this.count += restartCount;
    const finished = lastState?.terminated?.finishedAt;
    if (finished && (!this.last || this.last < finished)) this.last = finished;
  }
}

function summarize(pod: Pod): Summary {
  const sidecars = new Set(
    (pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === 'Always').map(({ name }) => name),
  );
  const init = initSummary(pod, sidecars);
  const initialized = init.reason === undefined || conditionIs(pod, 'Initialized');
  const main = initialized ? mainSummary(pod, init.sidecarRestarts) : undefined;
  return {
    ready: init.readySidecars + (main?.ready ?? 0),
    total: (pod.spec?.containers ?? []).length + sidecars.size,
    reason: deletionReason(pod) ?? main?.reason ?? init.reason ?? baseReason(pod),
    restarts: (main?.restarts ?? init.restarts).count,
    lastRestart: (main?.restarts ?? init.restarts).last,
  };
}

/** A pod on a node that went silent is Unknown; one that still runs is Terminating until its kubelet has stopped it. */
function deletionReason({ metadata, status }: Pod): string | undefined {
  if (!metadata.deletionTimestamp) return undefined;
  if (status?.reason === 'NodeLost') return 'Unknown';
  return status?.phase === 'Succeeded' || status?.phase === 'Failed' ? undefined : 'Terminating';
}

function baseReason({ status }: Pod): string {
  const gated = status?.conditions?.some(({ type, reason }) => type === 'PodScheduled' && reason === 'SchedulingGated');
  return gated ? 'SchedulingGated' : status?.reason || status?.phase || '';
}

interface InitSummary {
  /** Why the pod is still initialising; undefined when its init containers are done. */
  reason: string | undefined;
  readySidecars: number;
  restarts: Restarts;
  sidecarRestarts: Restarts;
}

/** Init containers run one after the other: the first that is not done says where the pod stands. */
function initSummary({ spec, status }: Pod, sidecars: ReadonlySet<string>): InitSummary {
  const summary: InitSummary = { reason: undefined, readySidecars: 0, restarts: new Restarts(), sidecarRestarts: new Restarts() };
  for (const [index, container] of (status?.initContainerStatuses ?? []).entries()) {
    const sidecar = sidecars.has(container.name);
    summary.restarts.add(container);
    if (sidecar) summary.sidecarRestarts.add(container);
    const { waiting, terminated } = container.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (sidecar && container.started) {
      if (container.ready) summary.readySidecars++;
      continue;
    }
    const waits = waiting?.reason && waiting.reason !== 'PodInitializing' ? waiting.reason : undefined;
    const why = terminated ? endReason(terminated) : waits;
    summary.reason = `Init:${why ?? `${index}/${spec?.initContainers?.length ?? 0}`}`;
    break;
  }
  return summary;
}

function mainSummary(pod: Pod, sidecarRestarts: Restarts): { ready: number; reason: string; restarts: Restarts } {
  let reason = baseReason(pod);
  let ready = 0;
  // From the last to the first: of several troubled containers the first one named has the word.
  for (const container of (pod.status?.containerStatuses ?? []).toReversed()) {
    sidecarRestarts.add(container);
    const { waiting, terminated, running } = container.state ?? {};
    if (waiting?.reason) reason = waiting.reason;
    else if (terminated) reason = endReason(terminated);
    else if (container.ready && running) ready++;
  }
  if (reason === 'Completed' && ready > 0) reason = conditionIs(pod, 'Ready') ? 'Running' : 'NotReady';
  return { ready, reason, restarts: sidecarRestarts };
}

function endReason({ reason, signal, exitCode }: NonNullable<ContainerState['terminated']>): string {
  return reason || (signal ? `Signal:${signal}` : `ExitCode:${exitCode}`);
}

function conditionIs({ status }: Pod, wanted: string): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === wanted && value === 'True') ?? false;
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? [];
  if (gates.length === 0) return NONE;
  return `${gates.filter(({ conditionType }) => conditionIs(pod, conditionType)).length}/${gates.length}`;
}
