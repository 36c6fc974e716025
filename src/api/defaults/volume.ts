/** Defaults of a pod's volumes. */
import type { DownwardAPIVolumeFile, ProjectedVolumeSource, Volume } from '../types.gen.ts';
import { pullPolicyOf } from './image.ts';

/** 0644 in decimal: the mode of projected files unless told otherwise. */
const DEFAULT_MODE = 0o644;
const TOKEN_LIFETIME_SECONDS = 3600;

export function defaultVolume(volume: Volume): void {
  if (Object.keys(volume).every((key) => key === 'name')) volume.emptyDir = {};
  if (volume.secret) volume.secret.defaultMode ??= DEFAULT_MODE;
  if (volume.configMap) volume.configMap.defaultMode ??= DEFAULT_MODE;
  if (volume.hostPath) volume.hostPath.type ??= '';
  if (volume.downwardAPI) {
    volume.downwardAPI.defaultMode ??= DEFAULT_MODE;
    defaultFieldRefs(volume.downwardAPI.items);
  }
  if (volume.projected) defaultProjected(volume.projected);
  const claim = volume.ephemeral?.volumeClaimTemplate;
  if (claim?.spec) claim.spec.volumeMode ??= 'Filesystem';
  if (volume.image) volume.image.pullPolicy ||= pullPolicyOf(volume.image.reference);
  if (volume.iscsi) volume.iscsi.iscsiInterface ||= 'default';
}

function defaultProjected(projected: ProjectedVolumeSource): void {
  projected.defaultMode ??= DEFAULT_MODE;
  for (const source of projected.sources ?? []) {
    if (source.serviceAccountToken) source.serviceAccountToken.expirationSeconds ??= TOKEN_LIFETIME_SECONDS;
    defaultFieldRefs(source.downwardAPI?.items);
  }
}

function defaultFieldRefs(items: readonly DownwardAPIVolumeFile[] | undefined): void {
  for (const { fieldRef } of items ?? []) if (fieldRef) fieldRef.apiVersion ||= 'v1';
}
