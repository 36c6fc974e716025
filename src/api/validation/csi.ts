/** What drivers of volumes say of themselves, and what is asked of them (pkg/apis/storage/validation). */
import { semanticEqual } from '../patch/json.ts';
import type {
  CSIDriver,
  CSINode,
  CSINodeDriver,
  CSIStorageCapacity,
  StorageV1TokenRequest,
  VolumeAttachment,
  VolumeAttributesClass,
} from '../types.gen.ts';
import { dns1123SubdomainProblems, qualifiedNameProblems } from './names.ts';
import type { Problems } from './problems.ts';
import { checkQuantity } from './resources.ts';
import { checkSelector } from './scheduling.ts';

const DRIVER_NAME_MAX = 63;
const NODE_ID_MAX = 192;
const PARAMETERS = { count: 512, bytes: 256 * 1024 };
const TOKEN_SECONDS = { min: 600, max: 2 ** 32 };
const MIN_UPDATE_SECONDS = 10;

/** Names of drivers are compared without case, and stand in places that hold 63 characters. */
export function checkDriverName(problems: Problems, path: string, name: string | undefined): void {
  if (!name) return problems.required(path);
  if (name.length > DRIVER_NAME_MAX) problems.tooLong(path, DRIVER_NAME_MAX);
  problems.invalidEach(path, name, dns1123SubdomainProblems(name.toLowerCase()));
}

export function checkCsiDriver(problems: Problems, { metadata, spec }: CSIDriver): void {
  checkDriverName(problems, 'metadata.name', metadata.name);
  if (!spec) return problems.required('spec');
  const { fsGroupPolicy, volumeLifecycleModes = [], tokenRequests = [], nodeAllocatableUpdatePeriodSeconds: seconds } = spec;
  if (fsGroupPolicy !== undefined) problems.oneOf('spec.fsGroupPolicy', fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType']);
  for (const mode of volumeLifecycleModes)
    if (!['Ephemeral', 'Persistent'].includes(mode)) problems.unsupported('spec.volumeLifecycleModes', mode, ['Ephemeral', 'Persistent']);
  checkTokenRequests(problems, tokenRequests);
  if (seconds !== undefined && seconds < MIN_UPDATE_SECONDS)
    problems.invalid('spec.nodeAllocatableUpdatePeriodSeconds', seconds, `must be greater than or equal to ${MIN_UPDATE_SECONDS} seconds`);
}

function checkTokenRequests(problems: Problems, requests: readonly StorageV1TokenRequest[]): void {
  const audiences = new Set<string>();
  for (const [index, { audience, expirationSeconds }] of requests.entries()) {
    const at = `spec.tokenRequests[${index}]`;
    if (audiences.has(audience)) problems.duplicate(`${at}.audience`, audience);
    audiences.add(audience);
    if (expirationSeconds === undefined) continue;
    if (expirationSeconds < TOKEN_SECONDS.min)
      problems.invalid(`${at}.expirationSeconds`, expirationSeconds, 'may not specify a duration less than 10 minutes');
    if (expirationSeconds > TOKEN_SECONDS.max)
      problems.invalid(`${at}.expirationSeconds`, expirationSeconds, 'may not specify a duration larger than 2^32 seconds');
  }
}

export function checkCsiDriverUpdate(problems: Problems, { spec }: CSIDriver, { spec: old }: CSIDriver): void {
  problems.immutable('spec.attachedRequired', spec?.attachRequired === old?.attachRequired, spec?.attachRequired);
  const same = semanticEqual(spec?.volumeLifecycleModes, old?.volumeLifecycleModes);
  problems.immutable('spec.volumeLifecycleModes', same, spec?.volumeLifecycleModes);
}

export function checkCsiNode(problems: Problems, { spec }: CSINode): void {
  const names = new Set<string>();
  for (const [index, driver] of (spec?.drivers ?? []).entries()) {
    const at = `spec.drivers[${index}]`;
    checkDriverName(problems, `${at}.name`, driver.name);
    if (names.has(driver.name)) problems.duplicate(`${at}.name`, driver.name);
    names.add(driver.name);
    checkDriverOnNode(problems, at, driver);
  }
}

function checkDriverOnNode(problems: Problems, at: string, { nodeID, allocatable, topologyKeys = [] }: CSINodeDriver): void {
  if (!nodeID) problems.required(`${at}.nodeID`);
  else if (nodeID.length > NODE_ID_MAX) problems.invalid(`${at}.nodeID`, nodeID, `must be ${NODE_ID_MAX} characters or less`);
  problems.nonNegative(`${at}.allocatable.count`, allocatable?.count);
  const keys = new Set<string>();
  for (const key of topologyKeys) {
    if (!key) problems.required(`${at}.topologyKeys`);
    else problems.invalidEach(`${at}.topologyKeys`, key, qualifiedNameProblems(key));
    if (keys.has(key)) problems.duplicate(`${at}.topologyKeys`, key);
    keys.add(key);
  }
}

/** A driver's entry may come and go; what it says stays, but for how many volumes it takes (KEP-4876). */
export function checkCsiNodeUpdate(problems: Problems, { spec }: CSINode, { spec: old }: CSINode): void {
  const settled = (driver: CSINodeDriver): unknown => ({ ...driver, allocatable: undefined });
  for (const [index, driver] of (spec?.drivers ?? []).entries()) {
    const before = old?.drivers?.find(({ name }) => name === driver.name);
    if (before) problems.immutable(`spec.drivers[${index}]`, semanticEqual(settled(driver), settled(before)), driver);
  }
}

export function checkVolumeAttachment(problems: Problems, { spec }: VolumeAttachment): void {
  checkDriverName(problems, 'spec.attacher', spec?.attacher);
  if (!spec?.nodeName) problems.required('spec.nodeName');
  const { persistentVolumeName, inlineVolumeSpec } = spec?.source ?? {};
  if (persistentVolumeName === undefined && inlineVolumeSpec === undefined)
    problems.required('spec.source', 'must specify exactly one of inlineVolumeSpec and persistentVolumeName');
  if (persistentVolumeName !== undefined && inlineVolumeSpec !== undefined)
    problems.forbidden('spec.source', 'must specify exactly one of inlineVolumeSpec and persistentVolumeName');
  if (persistentVolumeName === '') problems.required('spec.source.persistentVolumeName', 'must specify non empty persistentVolumeName');
}

export function checkVolumeAttachmentUpdate(problems: Problems, { spec }: VolumeAttachment, { spec: old }: VolumeAttachment): void {
  problems.immutable('spec', semanticEqual(spec, old), spec);
}

export function checkVolumeAttributesClass(problems: Problems, { driverName, parameters = {} }: VolumeAttributesClass): void {
  checkDriverName(problems, 'driverName', driverName);
  if (Object.keys(parameters).length === 0) problems.required('parameters', 'must contain at least one key/value pair');
  checkParameters(problems, parameters);
}

/** Shared with StorageClasses, which may have none. */
export function checkParameters(problems: Problems, parameters: Readonly<Record<string, string>>): void {
  const entries = Object.entries(parameters);
  if (entries.length > PARAMETERS.count) problems.tooLong('parameters', PARAMETERS.count);
  for (const [key] of entries) if (key === '') problems.invalid('parameters', key, 'field can not be empty.');
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  if (bytes > PARAMETERS.bytes) problems.tooLong('parameters', PARAMETERS.bytes);
}

export function checkVolumeAttributesClassUpdate(problems: Problems, next: VolumeAttributesClass, old: VolumeAttributesClass): void {
  if (next.driverName !== old.driverName) problems.forbidden('driverName', 'updates to driverName are forbidden.');
  if (!semanticEqual(next.parameters, old.parameters)) problems.forbidden('parameters', 'updates to parameters are forbidden.');
}

export function checkCsiStorageCapacity(problems: Problems, object: CSIStorageCapacity): void {
  problems.invalidEach('storageClassName', object.storageClassName, dns1123SubdomainProblems(object.storageClassName));
  checkSelector(problems, 'nodeTopology', object.nodeTopology);
  if (object.capacity !== undefined) checkQuantity(problems, 'capacity', object.capacity);
  if (object.maximumVolumeSize !== undefined) checkQuantity(problems, 'maximumVolumeSize', object.maximumVolumeSize);
}

export function checkCsiStorageCapacityUpdate(problems: Problems, next: CSIStorageCapacity, old: CSIStorageCapacity): void {
  problems.immutable('nodeTopology', semanticEqual(next.nodeTopology, old.nodeTopology), next.nodeTopology);
  problems.immutable('storageClassName', next.storageClassName === old.storageClassName, next.storageClassName);
}
