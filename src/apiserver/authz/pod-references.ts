/** What a pod names: the objects that its node may read. */
import type { Container, EnvFromSource, EnvVar, Pod, Volume } from '../../api/types.gen.ts';

interface ContainerLike {
  env?: EnvVar[];
  envFrom?: EnvFromSource[];
}

function containers({ spec }: Pod): ContainerLike[] {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? []), ...((spec?.ephemeralContainers ?? []) as Container[])];
}

export function secretNames(pod: Pod): Set<string> {
  const names = new Set<string | undefined>();
  for (const { name } of pod.spec?.imagePullSecrets ?? []) names.add(name);
  for (const { env, envFrom } of containers(pod)) {
    for (const { valueFrom } of env ?? []) names.add(valueFrom?.secretKeyRef?.name);
    for (const { secretRef } of envFrom ?? []) names.add(secretRef?.name);
  }
  for (const volume of pod.spec?.volumes ?? []) {
    names.add(volume.secret?.secretName);
    for (const source of volume.projected?.sources ?? []) names.add(source.secret?.name);
    for (const name of driverSecrets(volume)) names.add(name);
  }
  names.delete(undefined);
  return names as Set<string>;
}

function driverSecrets({ csi, cephfs, flexVolume, rbd, scaleIO, iscsi, storageos, azureFile }: Volume): (string | undefined)[] {
  const references = [
    csi?.nodePublishSecretRef,
    cephfs?.secretRef,
    flexVolume?.secretRef,
    rbd?.secretRef,
    scaleIO?.secretRef,
    iscsi?.secretRef,
    storageos?.secretRef,
  ];
  return [...references.map((reference) => reference?.name), azureFile?.secretName];
}

export function configMapNames(pod: Pod): Set<string> {
  const names = new Set<string | undefined>();
  for (const { env, envFrom } of containers(pod)) {
    for (const { valueFrom } of env ?? []) names.add(valueFrom?.configMapKeyRef?.name);
    for (const { configMapRef } of envFrom ?? []) names.add(configMapRef?.name);
  }
  for (const { configMap, projected } of pod.spec?.volumes ?? []) {
    names.add(configMap?.name);
    for (const source of projected?.sources ?? []) names.add(source.configMap?.name);
  }
  names.delete(undefined);
  return names as Set<string>;
}

/** Claims of the pod's namespace, those of its generic ephemeral volumes (`<pod>-<volume>`) included. */
export function claimNames(pod: Pod): string[] {
  return (pod.spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) =>
    persistentVolumeClaim ? [persistentVolumeClaim.claimName] : ephemeral ? [`${pod.metadata.name}-${name}`] : [],
  );
}

/** ResourceClaims by their own names: a template's is told by the pod's status. */
export function deviceClaimNames({ spec, status }: Pod): string[] {
  return [
    ...(spec?.resourceClaims ?? []).map(({ resourceClaimName }) => resourceClaimName),
    ...(status?.resourceClaimStatuses ?? []).map(({ resourceClaimName }) => resourceClaimName),
    status?.extendedResourceClaimStatus?.resourceClaimName,
  ].filter((name) => name !== undefined);
}
