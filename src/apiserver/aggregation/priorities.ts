/** In which order clients prefer groups and versions: what the APIService objects of built-in group versions say (upstream's table). */
import { parseGroupVersion } from '../../api/meta.ts';
import type { Priority } from '../discovery/documents.ts';

const GROUPS: Readonly<Record<string, number>> = {
  '': 18_000,
  // It is in no APIService; upstream lists its own group in front of the others.
  'apiregistration.k8s.io': 17_900,
  apps: 17_800,
  'events.k8s.io': 17_750,
  'authentication.k8s.io': 17_700,
  'authorization.k8s.io': 17_600,
  autoscaling: 17_500,
  batch: 17_400,
  'certificates.k8s.io': 17_300,
  'networking.k8s.io': 17_200,
  extensions: 17_150,
  policy: 17_100,
  'rbac.authorization.k8s.io': 17_000,
  'storage.k8s.io': 16_800,
  'storagemigration.k8s.io': 16_800,
  'admissionregistration.k8s.io': 16_700,
  'apiextensions.k8s.io': 16_700,
  'scheduling.k8s.io': 16_600,
  'coordination.k8s.io': 16_500,
  'node.k8s.io': 16_300,
  'discovery.k8s.io': 16_200,
  'resource.k8s.io': 16_200,
  'flowcontrol.apiserver.k8s.io': 16_100,
  'internal.apiserver.k8s.io': 16_000,
};

/** Where it is not the rule: stable 15, beta 9, alpha 1. */
const VERSIONS: Readonly<Record<string, number>> = {
  v1: 1,
  'admissionregistration.k8s.io/v1beta1': 12,
  'apps/v1beta1': 1,
  'autoscaling/v2': 30,
  'autoscaling/v2beta2': 1,
  'coordination.k8s.io/v1beta1': 12,
  'extensions/v1beta1': 1,
  'flowcontrol.apiserver.k8s.io/v1': 21,
};

/** Of a group version that is built in; undefined for other groups. */
export function builtinPriority(groupVersion: string): Priority | undefined {
  const { group, version } = parseGroupVersion(groupVersion);
  const found = GROUPS[group];
  if (found === undefined) return undefined;
  return { group: found, version: VERSIONS[groupVersion] ?? (version.includes('alpha') ? 1 : version.includes('beta') ? 9 : 15) };
}

/** Of every group version that a CustomResourceDefinition brings; versions with the same priority are told apart by their names. */
export const CUSTOM_PRIORITY: Priority = { group: 1000, version: 100 };
