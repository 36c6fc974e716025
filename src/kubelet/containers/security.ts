/** A container's and a pod's securityContext in the words of the runtime contract. The container's own wins. */
import path from 'node:path';
import type { Container, Pod, SeccompProfile as ApiSeccompProfile } from '../../api/types.gen.ts';
import type { ContainerSecurity, ImageInfo, SeccompProfile } from '../runtime/runtime.ts';
import { ContainerConfigError } from './env.ts';

const MASKED_PATHS = [
  '/proc/asound', '/proc/acpi', '/proc/interrupts', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/timer_list', '/proc/timer_stats',
  '/proc/sched_debug', '/proc/scsi', '/sys/firmware', '/sys/devices/virtual/powercap',
]; // prettier-ignore
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** Throws ContainerConfigError when runAsNonRoot is asked and cannot be kept. */
export function containerSecurity(
  pod: Pod,
  container: Container,
  { image, seccompDir }: { image: ImageInfo; seccompDir: string },
): ContainerSecurity {
  const own = container.securityContext ?? {};
  const shared = pod.spec?.securityContext ?? {};
  const privileged = own.privileged ?? false;
  const runAsUser = own.runAsUser ?? shared.runAsUser;
  const runAsNonRoot = own.runAsNonRoot ?? shared.runAsNonRoot ?? false;
  if (runAsNonRoot) checkNonRoot(pod, container, runAsUser, image);
  const unmasked = privileged || own.procMount === 'Unmasked';
  const user = runAsUser ?? image.uid;
  return {
    privileged,
    capabilitiesAdd: own.capabilities?.add ?? [],
    capabilitiesDrop: own.capabilities?.drop ?? [],
    runAsUser: user,
    runAsUsername: user === undefined ? image.username : undefined,
    runAsGroup: own.runAsGroup ?? shared.runAsGroup,
    readonlyRootfs: own.readOnlyRootFilesystem ?? false,
    noNewPrivs: own.allowPrivilegeEscalation === false,
    seccomp: privileged ? { type: 'Unconfined' } : seccompProfile(own.seccompProfile ?? shared.seccompProfile, seccompDir),
    maskedPaths: unmasked ? [] : MASKED_PATHS,
    readonlyPaths: unmasked ? [] : READONLY_PATHS,
    supplementalGroups: supplementalGroups(pod),
  };
}

export function supplementalGroups(pod: Pod): number[] {
  const { supplementalGroups: groups = [], fsGroup } = pod.spec?.securityContext ?? {};
  return fsGroup === undefined || groups.includes(fsGroup) ? [...groups] : [...groups, fsGroup];
}

/** Unconfined where nothing is said: the kubelet's seccompDefault is off, as upstream's. Local profiles are files below `seccompDir`. */
export function seccompProfile(profile: ApiSeccompProfile | undefined, seccompDir: string): SeccompProfile {
  if (!profile) return { type: 'Unconfined' };
  if (profile.type === 'Localhost') return { type: 'Localhost', localhostRef: path.join(seccompDir, profile.localhostProfile ?? '') };
  return { type: profile.type === 'RuntimeDefault' ? 'RuntimeDefault' : 'Unconfined' };
}

function checkNonRoot(pod: Pod, container: Container, runAsUser: number | undefined, image: ImageInfo): void {
  const about = `(pod: "${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})", container: ${container.name})`;
  if (runAsUser === 0) throw new ContainerConfigError(`container's runAsUser breaks non-root policy ${about}`);
  if (runAsUser !== undefined) return;
  if (image.username) {
    throw new ContainerConfigError(
      `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${about}`,
    );
  }
  if ((image.uid ?? 0) === 0) throw new ContainerConfigError(`container has runAsNonRoot and image will run as root ${about}`);
}
