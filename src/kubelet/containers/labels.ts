/** What upstream's kubelet writes on sandboxes and containers, so that another kubelet (theirs or ours after a restart) finds its way. */
import { createHash } from 'node:crypto';
import type { Container, Pod, ResourceRequirements } from '../../api/types.gen.ts';

const POD_NAME = 'io.kubernetes.pod.name';
const POD_NAMESPACE = 'io.kubernetes.pod.namespace';
export const POD_UID = 'io.kubernetes.pod.uid';
const CONTAINER_NAME = 'io.kubernetes.container.name';
export const CONTAINER_HASH = 'io.kubernetes.container.hash';
export const RESTART_COUNT = 'io.kubernetes.container.restartCount';
const TERMINATION_MESSAGE_PATH = 'io.kubernetes.container.terminationMessagePath';
export const TERMINATION_MESSAGE_POLICY = 'io.kubernetes.container.terminationMessagePolicy';
const POD_GRACE = 'io.kubernetes.pod.terminationGracePeriod';
const POD_DELETION_GRACE = 'io.kubernetes.pod.deletionGracePeriod';
/** Ours: the termination message's file on the node, so that it can be read after a restart of the kubelet. */
export const TERMINATION_LOG_FILE = 'rockpool.dev/termination-log';
/** Ours: the resources that the container was started with, to tell whether those of its spec are in force. */
const RESOURCES = 'rockpool.dev/resources';

/** What every sandbox and container of the pod carries, so that a restarted kubelet finds them: upstream's names. */
export function podLabels(pod: Pod): Record<string, string> {
  const { name = '', namespace = '', uid = '' } = pod.metadata;
  return { [POD_NAME]: name, [POD_NAMESPACE]: namespace, [POD_UID]: uid };
}

export function sandboxLabels(pod: Pod): Record<string, string> {
  return { ...pod.metadata.labels, ...podLabels(pod) };
}

export function containerLabels(pod: Pod, container: Container): Record<string, string> {
  return { ...podLabels(pod), [CONTAINER_NAME]: container.name };
}

export function containerAnnotations(
  pod: Pod,
  container: Container,
  { restartCount, logFile }: { restartCount: number; logFile: string },
): Record<string, string> {
  const { deletionGracePeriodSeconds } = pod.metadata;
  return {
    [CONTAINER_HASH]: containerHash(container),
    [RESTART_COUNT]: String(restartCount),
    [TERMINATION_MESSAGE_PATH]: container.terminationMessagePath ?? '/dev/termination-log',
    [TERMINATION_MESSAGE_POLICY]: container.terminationMessagePolicy ?? 'File',
    [TERMINATION_LOG_FILE]: logFile,
    [RESOURCES]: JSON.stringify(container.resources ?? {}),
    [POD_GRACE]: String(pod.spec?.terminationGracePeriodSeconds ?? 30),
    ...(deletionGracePeriodSeconds === undefined ? {} : { [POD_DELETION_GRACE]: String(deletionGracePeriodSeconds) }),
  };
}

/** Undefined of a container that another kubelet has started. */
export function resourcesAtStart({ annotations }: { annotations: Readonly<Record<string, string>> }): ResourceRequirements | undefined {
  const text = annotations[RESOURCES];
  return text === undefined ? undefined : (JSON.parse(text) as ResourceRequirements);
}

/** Of the fields whose change means a new container: as upstream since 1.31, name and image. */
export function containerHash({ name, image }: Container): string {
  return createHash('sha1').update(`${name}\n${image}`).digest('hex').slice(0, 8);
}
