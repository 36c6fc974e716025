/** Persistent volumes, claims, classes of storage. */
import { compareQuantities } from '../codec/quantity.ts';
import { semanticEqual } from '../patch/json.ts';
import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec, StorageClass } from '../types.gen.ts';
import { checkParameters } from './csi.ts';
import { dns1123SubdomainProblems, qualifiedNameProblems } from './names.ts';
import type { Problems } from './problems.ts';
import { checkNodeSelector, checkSelector } from './scheduling.ts';
import { checkVolumeSource, volumeSource } from './volume-source.ts';

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];

export function checkPersistentVolumeClaim(problems: Problems, { spec }: PersistentVolumeClaim): void {
  if (!spec) return problems.required('spec');
  checkAccessModes(problems, spec.accessModes ?? []);
  checkSelector(problems, 'spec.selector', spec.selector);
  const size = spec.resources?.requests?.['storage'];
  if (size === undefined) problems.required('spec.resources[storage]');
  else if (compareQuantities(size, '0') <= 0) problems.invalid('spec.resources[storage]', size, 'must be greater than zero');
  if (spec.storageClassName)
    problems.invalidEach('spec.storageClassName', spec.storageClassName, dns1123SubdomainProblems(spec.storageClassName));
  if (spec.volumeMode !== undefined) problems.oneOf('spec.volumeMode', spec.volumeMode, ['Block', 'Filesystem']);
  checkAttributesClass(problems, spec.volumeAttributesClassName);
}

function checkAttributesClass(problems: Problems, name: string | undefined): void {
  if (name) problems.invalidEach('spec.volumeAttributesClassName', name, dns1123SubdomainProblems(name));
}

function checkAccessModes(problems: Problems, modes: readonly string[]): void {
  if (modes.length === 0) problems.required('spec.accessModes', 'at least 1 access mode is required');
  for (const mode of modes) if (!ACCESS_MODES.includes(mode)) problems.unsupported('spec.accessModes', mode, ACCESS_MODES);
  if (modes.includes('ReadWriteOncePod') && modes.length > 1)
    problems.forbidden('spec.accessModes', 'may not use ReadWriteOncePod with other access modes');
}

/** A claim may be bound, grow once bound, and nothing else. */
export function checkClaimUpdate(problems: Problems, { spec }: PersistentVolumeClaim, old: PersistentVolumeClaim): void {
  const before = old.spec;
  const bound = old.status?.phase === 'Bound';
  const settled = (value: PersistentVolumeClaimSpec | undefined): unknown => ({
    ...value,
    volumeName: before?.volumeName ? value?.volumeName : undefined,
    volumeAttributesClassName: bound ? undefined : value?.volumeAttributesClassName,
    resources: bound ? { ...value?.resources, requests: undefined } : value?.resources,
    storageClassName: before?.storageClassName === undefined ? undefined : value?.storageClassName,
  });
  if (!semanticEqual(settled(spec), settled(before)))
    problems.forbidden('spec', 'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims');
  if (bound && before?.volumeAttributesClassName && !spec?.volumeAttributesClassName)
    problems.forbidden('spec.volumeAttributesClassName', 'update to nil/empty from non-nil value is forbidden');
  const now = spec?.resources?.requests?.['storage'];
  const then = before?.resources?.requests?.['storage'];
  const capacity = old.status?.capacity?.['storage'];
  if (
    now !== undefined &&
    then !== undefined &&
    compareQuantities(now, then) < 0 &&
    (capacity === undefined || compareQuantities(now, capacity) <= 0)
  ) {
    problems.forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity');
  }
}

export function checkPersistentVolume(problems: Problems, { spec }: PersistentVolume): void {
  if (!spec) return problems.required('spec');
  if (!spec.accessModes?.length) problems.required('spec.accessModes');
  else checkAccessModes(problems, spec.accessModes);
  const capacity = spec.capacity ?? {};
  if (Object.keys(capacity).length === 0) problems.required('spec.capacity');
  if (capacity['storage'] === undefined || Object.keys(capacity).length > 1) problems.unsupported('spec.capacity', capacity, ['storage']);
  for (const [name, quantity] of Object.entries(capacity))
    if (compareQuantities(quantity, '0') <= 0) problems.invalid(`spec.capacity[${name}]`, quantity, 'must be greater than zero');
  if (spec.persistentVolumeReclaimPolicy && !['Delete', 'Recycle', 'Retain'].includes(spec.persistentVolumeReclaimPolicy)) {
    problems.unsupported('spec.persistentVolumeReclaimPolicy', spec.persistentVolumeReclaimPolicy, ['Delete', 'Recycle', 'Retain']);
  }
  checkVolumeSource(problems, spec);
  if (spec.volumeMode !== undefined) problems.oneOf('spec.volumeMode', spec.volumeMode, ['Block', 'Filesystem']);
  if (spec.nodeAffinity) checkNodeSelector(problems, 'spec.nodeAffinity.required', spec.nodeAffinity.required);
  if (spec.volumeAttributesClassName && !spec.csi)
    problems.required('spec.csi', 'has to be specified when using volumeAttributesClassName');
  checkAttributesClass(problems, spec.volumeAttributesClassName);
  if (spec.storageClassName)
    problems.invalidEach('spec.storageClassName', spec.storageClassName, dns1123SubdomainProblems(spec.storageClassName));
}

export function checkVolumeUpdate(problems: Problems, { spec }: PersistentVolume, old: PersistentVolume): void {
  if (!semanticEqual(volumeSource(spec), volumeSource(old.spec)))
    problems.forbidden('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation');
  problems.immutable('spec.volumeMode', spec?.volumeMode === old.spec?.volumeMode, spec?.volumeMode);
  if (old.spec?.nodeAffinity)
    problems.immutable('spec.nodeAffinity', semanticEqual(spec?.nodeAffinity, old.spec.nodeAffinity), spec?.nodeAffinity);
}

export function checkStorageClass(problems: Problems, storageClass: StorageClass): void {
  const { provisioner, reclaimPolicy, volumeBindingMode, parameters = {}, allowedTopologies = [] } = storageClass;
  if (!provisioner) problems.required('provisioner');
  else problems.invalidEach('provisioner', provisioner, qualifiedNameProblems(provisioner.toLowerCase()));
  checkParameters(problems, parameters);
  for (const [index, { matchLabelExpressions = [] }] of allowedTopologies.entries())
    for (const [at, { key, values }] of matchLabelExpressions.entries()) {
      const path = `allowedTopologies[${index}].matchLabelExpressions[${at}]`;
      problems.invalidEach(`${path}.key`, key, qualifiedNameProblems(key));
      if (!values?.length) problems.required(`${path}.values`);
    }
  if (reclaimPolicy !== undefined && !['Delete', 'Retain'].includes(reclaimPolicy))
    problems.unsupported('reclaimPolicy', reclaimPolicy, ['Delete', 'Retain']);
  problems.oneOf('volumeBindingMode', volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']);
}

export function checkStorageClassUpdate(problems: Problems, next: StorageClass, old: StorageClass): void {
  if (!semanticEqual(next.parameters, old.parameters)) problems.forbidden('parameters', 'updates to parameters are forbidden.');
  if (next.provisioner !== old.provisioner) problems.forbidden('provisioner', 'updates to provisioner are forbidden.');
  if (next.reclaimPolicy !== old.reclaimPolicy) problems.forbidden('reclaimPolicy', 'updates to reclaimPolicy are forbidden.');
  problems.immutable('volumeBindingMode', next.volumeBindingMode === old.volumeBindingMode, next.volumeBindingMode);
}
