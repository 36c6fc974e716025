/** What each kind of PersistentVolume must say. */
import type { PersistentVolumeSpec, SecretReference } from '../types.gen.ts';
import { checkNoBackSteps } from './container.ts';
import { checkDriverName } from './csi.ts';
import type { Problems } from './problems.ts';

const META_FIELDS = new Set([
  'accessModes',
  'capacity',
  'claimRef',
  'mountOptions',
  'nodeAffinity',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'volumeAttributesClassName',
  'volumeMode',
]);

/** Fields that may not be empty, where there is no more to say. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  awsElasticBlockStore: ['volumeID'],
  azureDisk: ['diskName', 'diskURI'],
  azureFile: ['secretName', 'shareName'],
  cephfs: ['monitors'],
  cinder: ['volumeID'],
  flexVolume: ['driver'],
  gcePersistentDisk: ['pdName'],
  glusterfs: ['endpoints', 'path'],
  iscsi: ['targetPortal', 'iqn'],
  photonPersistentDisk: ['pdID'],
  portworxVolume: ['volumeID'],
  quobyte: ['registry', 'volume'],
  rbd: ['monitors', 'image'],
  scaleIO: ['gateway', 'system', 'volumeName'],
  vsphereVolume: ['volumePath'],
};

/** The part of a volume's spec that says what it is. */
export function volumeSource(spec: PersistentVolumeSpec | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(spec ?? {}).filter(([key, value]) => !META_FIELDS.has(key) && value !== undefined));
}

export function checkVolumeSource(problems: Problems, spec: PersistentVolumeSpec): void {
  const sources = Object.entries(volumeSource(spec));
  if (sources.length === 0) problems.required('spec', 'must specify a volume type');
  for (const [kind] of sources.slice(1)) problems.forbidden(`spec.${kind}`, 'may not specify more than 1 volume type');
  const [kind, source] = sources[0] ?? [];
  if (kind === undefined) return;
  for (const field of REQUIRED[kind] ?? []) {
    const value = (source as Record<string, unknown>)[field];
    if (!value || (Array.isArray(value) && value.length === 0)) problems.required(`spec.${kind}.${field}`);
  }
  checkHostPath(problems, spec);
  checkNfs(problems, spec);
  checkLocal(problems, spec);
  checkCsi(problems, spec);
}

function checkHostPath(problems: Problems, { hostPath, persistentVolumeReclaimPolicy }: PersistentVolumeSpec): void {
  if (!hostPath) return;
  if (!hostPath.path) problems.required('spec.hostPath.path');
  else checkNoBackSteps(problems, 'spec.hostPath.path', hostPath.path);
  if (hostPath.path === '/' && persistentVolumeReclaimPolicy === 'Recycle')
    problems.forbidden('spec.persistentVolumeReclaimPolicy', "may not be 'recycle' for a hostPath mount of '/'");
}

function checkNfs(problems: Problems, { nfs }: PersistentVolumeSpec): void {
  if (!nfs) return;
  if (!nfs.server) problems.required('spec.nfs.server');
  if (!nfs.path) problems.required('spec.nfs.path');
  else if (!nfs.path.startsWith('/')) problems.invalid('spec.nfs.path', nfs.path, 'must be an absolute path');
}

function checkLocal(problems: Problems, { local, nodeAffinity }: PersistentVolumeSpec): void {
  if (!local) return;
  if (!local.path) problems.required('spec.local.path');
  else checkNoBackSteps(problems, 'spec.local.path', local.path);
  if (!nodeAffinity?.required) problems.required('spec.nodeAffinity', 'Local volume requires node affinity');
}

function checkCsi(problems: Problems, { csi }: PersistentVolumeSpec): void {
  if (!csi) return;
  checkDriverName(problems, 'spec.csi.driver', csi.driver);
  if (!csi.volumeHandle) problems.required('spec.csi.volumeHandle');
  const { controllerPublishSecretRef, controllerExpandSecretRef, nodeStageSecretRef, nodePublishSecretRef, nodeExpandSecretRef } = csi;
  const secrets = { controllerPublishSecretRef, controllerExpandSecretRef, nodeStageSecretRef, nodePublishSecretRef, nodeExpandSecretRef };
  for (const [field, secret] of Object.entries(secrets)) if (secret) checkSecret(problems, `spec.csi.${field}`, secret);
}

function checkSecret(problems: Problems, path: string, { name, namespace }: SecretReference): void {
  if (!name) problems.required(`${path}.name`);
  if (!namespace) problems.required(`${path}.namespace`);
}
