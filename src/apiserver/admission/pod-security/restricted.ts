/** What the restricted level asks for beyond the baseline, by upstream's ids in upstream's order. */
import type { Volume } from '../../../api/types.gen.ts';
import { procMount } from './baseline.ts';
import { atLeast, type Versioned } from './versions.ts';
import type { PodLike } from './violation.ts';
import { containersOf, distinct, named, namesWhere, plural, quoted, setters } from './violation.ts';

const ALLOWED_VOLUMES = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
]);
const SECCOMP_TYPES = new Set(['RuntimeDefault', 'Localhost']);

/** Since 1.25 the checks of what only Linux has leave pods for Windows alone. */
const forWindows = ({ spec }: PodLike, version: number): boolean => version >= 25 && spec.os?.name === 'windows';

export const RESTRICTED: Readonly<Record<string, Versioned>> = {
  allowPrivilegeEscalation: atLeast(8, (pod, version) => {
    if (forWindows(pod, version)) return undefined;
    const names = namesWhere(pod, ({ allowPrivilegeEscalation }) => allowPrivilegeEscalation !== false);
    return names.length > 0
      ? { reason: 'allowPrivilegeEscalation != false', detail: `${named(names)} must set securityContext.allowPrivilegeEscalation=false` }
      : undefined;
  }),

  capabilities_restricted: atLeast(22, (pod, version) => {
    if (forWindows(pod, version)) return undefined;
    const extra = (capabilities: { add?: string[] } | undefined): string[] =>
      (capabilities?.add ?? []).filter((name) => name !== 'NET_BIND_SERVICE');
    const keeping = namesWhere(pod, ({ capabilities }) => !capabilities?.drop?.includes('ALL'));
    const adding = namesWhere(pod, ({ capabilities }) => extra(capabilities).length > 0);
    if (keeping.length === 0 && adding.length === 0) return undefined;
    const added = distinct(containersOf(pod.spec).flatMap(({ securityContext }) => extra(securityContext?.capabilities)));
    const details = [
      ...(keeping.length > 0 ? [`${named(keeping)} must set securityContext.capabilities.drop=["ALL"]`] : []),
      ...(adding.length > 0 ? [`${named(adding)} must not include ${quoted(added)} in securityContext.capabilities.add`] : []),
    ];
    return { reason: 'unrestricted capabilities', detail: details.join('; ') };
  }),

  procMount_restricted: procMount,

  restrictedVolumes({ spec }) {
    const bad = (spec.volumes ?? [])
      .map((volume) => ({ name: volume.name, type: typeOf(volume) }))
      .filter(({ type }) => type !== undefined);
    if (bad.length === 0) return undefined;
    const types = distinct(bad.map(({ type }) => type!));
    const names = bad.map(({ name }) => name);
    return {
      reason: 'restricted volume types',
      detail: `${named(names, 'volume')} ${plural('uses', 'use', names.length)} restricted volume ${plural('type', 'types', types.length)} ${quoted(types)}`,
    };
  },

  runAsNonRoot(pod) {
    // A pod with a user namespace of its own is root of nothing outside.
    if (pod.spec.hostUsers === false) return undefined;
    const pods = pod.spec.securityContext?.runAsNonRoot;
    const explicit = namesWhere(pod, ({ runAsNonRoot }) => runAsNonRoot === false);
    const silent = pods === true ? [] : namesWhere(pod, ({ runAsNonRoot }) => runAsNonRoot === undefined);
    const reason = 'runAsNonRoot != true';
    if (explicit.length > 0 || pods === false) {
      // An explicit false of the pod does not matter where each container says true.
      if (explicit.length === 0 && silent.length === 0) return undefined;
      return { reason, detail: `${setters(pods === false, explicit)} must not set securityContext.runAsNonRoot=false` };
    }
    return silent.length > 0 ? { reason, detail: `pod or ${named(silent)} must set securityContext.runAsNonRoot=true` } : undefined;
  },

  runAsUser: atLeast(23, (pod) => {
    if (pod.spec.hostUsers === false) return undefined;
    const byPod = pod.spec.securityContext?.runAsUser === 0;
    const names = namesWhere(pod, ({ runAsUser }) => runAsUser === 0);
    return byPod || names.length > 0 ? { reason: 'runAsUser=0', detail: `${setters(byPod, names)} must not set runAsUser=0` } : undefined;
  }),

  seccompProfile_restricted: atLeast(19, (pod, version) => {
    if (forWindows(pod, version)) return undefined;
    const pods = pod.spec.securityContext?.seccompProfile?.type;
    const podBad = pods !== undefined && !SECCOMP_TYPES.has(pods);
    const explicit = namesWhere(pod, ({ seccompProfile }) => seccompProfile !== undefined && !SECCOMP_TYPES.has(seccompProfile.type));
    const silent = pods !== undefined ? [] : namesWhere(pod, ({ seccompProfile }) => seccompProfile === undefined);
    const reason = 'seccompProfile';
    if (podBad || explicit.length > 0) {
      const types = distinct(
        [
          ...(podBad ? [pods] : []),
          ...containersOf(pod.spec).map(({ securityContext }) => securityContext?.seccompProfile?.type ?? 'RuntimeDefault'),
        ].filter((type) => !SECCOMP_TYPES.has(type)),
      );
      return { reason, detail: `${setters(podBad, explicit)} must not set securityContext.seccompProfile.type to ${quoted(types)}` };
    }
    if (silent.length === 0) return undefined;
    return { reason, detail: `pod or ${named(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"` };
  }),
};

/** Baseline checks that a restricted one says more strictly, and since when. */
export const OVERRIDDEN: ReadonlyMap<string, number> = new Map([
  ['capabilities_baseline', 22],
  ['hostPathVolumes', 0],
  ['procMount', 0],
  ['seccompProfile_baseline', 19],
]);

/** The volume's type where it is not allowed. */
function typeOf(volume: Volume): string | undefined {
  const type = Object.keys(volume).find((field) => field !== 'name' && (volume as unknown as Record<string, unknown>)[field] !== undefined);
  return type === undefined || ALLOWED_VOLUMES.has(type) ? undefined : type;
}
