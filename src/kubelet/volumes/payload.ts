/** The files of volumes that show API data: config maps, secrets, the downward API, tokens. */
import type {
  ConfigMap,
  Container,
  DownwardAPIVolumeFile,
  KeyToPath,
  Pod,
  Secret,
  ServiceAccountTokenProjection,
  VolumeProjection,
} from '../../api/types.gen.ts';
import { CONFIG_MAPS, SECRETS } from '../../client/resources.ts';
import { fieldValue, type NodeFacts, resourceValue } from '../containers/field-path.ts';
import type { PayloadFile } from './atomic-writer.ts';
import type { ObjectRef, WatchedObjects } from './objects.ts';

/** A volume cannot be set up now. The message goes into the FailedMount event; the pod waits and tries again. */
export class VolumeError extends Error {
  override name = 'VolumeError';
}

/** What the volume needs has been asked for and is on its way: nothing to complain of in an event. */
export class VolumeWait extends VolumeError {
  override name = 'VolumeWait';
}

export interface PayloadSources {
  objects: WatchedObjects;
  node: NodeFacts;
  /** A token for the pod's service account, renewed when it nears its end. */
  token(pod: Pod, projection: ServiceAccountTokenProjection): Promise<string>;
}

/** What a payload is made of: to be watched for changes. */
export type PayloadRef = ObjectRef<ConfigMap> | ObjectRef<Secret>;

const DEFAULT_MODE = 0o644;
const TOKEN_MODE_OWNED = 0o600;

interface KeyedSource {
  kind: 'configmap' | 'secret';
  name: string;
  items?: readonly KeyToPath[];
  optional?: boolean;
  mode: number;
}

/** All sources of a projected volume; configMap, secret and downwardAPI volumes are projected ones with a single source. */
export async function projectedPayload(
  pod: Pod,
  projections: readonly VolumeProjection[],
  { mode = DEFAULT_MODE, sources, owned }: { mode?: number; sources: PayloadSources; owned: boolean },
): Promise<Map<string, PayloadFile>> {
  const result = new Map<string, PayloadFile>();
  for (const { configMap, secret, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } of projections) {
    if (configMap) await addKeyed(pod, { kind: 'configmap', name: configMap.name ?? '', ...configMap, mode }, sources, result);
    if (secret) await addKeyed(pod, { kind: 'secret', name: secret.name ?? '', ...secret, mode }, sources, result);
    for (const file of downwardAPI?.items ?? [])
      result.set(file.path, { data: Buffer.from(downwardValue(pod, file, sources.node)), mode: file.mode ?? mode });
    if (serviceAccountToken) {
      const data = Buffer.from(await sources.token(pod, serviceAccountToken));
      result.set(serviceAccountToken.path, { data, mode: owned ? TOKEN_MODE_OWNED : mode });
    }
    if (clusterTrustBundle) throw new VolumeError('projected clusterTrustBundle volumes are not supported');
    if (podCertificate) throw new VolumeError('projected podCertificate volumes are not supported');
  }
  return result;
}

async function addKeyed(pod: Pod, source: KeyedSource, { objects }: PayloadSources, result: Map<string, PayloadFile>): Promise<void> {
  const namespace = pod.metadata.namespace ?? '';
  const { kind, name } = source;
  let data: Map<string, Buffer> | undefined;
  if (kind === 'configmap') {
    const object = await objects.get({ type: CONFIG_MAPS, namespace, name });
    data = object && configMapData(object);
  } else {
    const object = await objects.get({ type: SECRETS, namespace, name });
    data = object && new Map(Object.entries(object.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')]));
  }
  if (!data && !source.optional) throw new VolumeError(`${kind} "${name}" not found`);
  if (!source.items?.length) {
    for (const [key, value] of data ?? []) result.set(key, { data: value, mode: source.mode });
    return;
  }
  for (const { key, path, mode = source.mode } of source.items) {
    const value = data?.get(key);
    if (value) result.set(path, { data: value, mode });
    else if (!source.optional) throw new VolumeError(`references non-existent ${kind === 'secret' ? 'secret' : 'config'} key: ${key}`);
  }
}

function configMapData({ data = {}, binaryData = {} }: ConfigMap): Map<string, Buffer> {
  return new Map([
    ...Object.entries(data).map(([key, value]) => [key, Buffer.from(value)] as const),
    ...Object.entries(binaryData).map(([key, value]) => [key, Buffer.from(value, 'base64')] as const),
  ]);
}

function downwardValue(pod: Pod, { fieldRef, resourceFieldRef }: DownwardAPIVolumeFile, node: NodeFacts): string {
  if (fieldRef) return fieldValue(pod, fieldRef, node);
  if (!resourceFieldRef) return '';
  const containers: readonly Container[] = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const container = containers.find((one) => one.name === resourceFieldRef.containerName);
  if (!container) throw new VolumeError(`container ${resourceFieldRef.containerName ?? ''} not found`);
  return resourceValue(container, resourceFieldRef, node.allocatable);
}
