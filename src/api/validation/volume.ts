/** Volumes of pods. */
import type { KeyToPath, Volume, VolumeProjection } from '../types.gen.ts';
import { checkLocalPath, checkNoBackSteps } from './container.ts';
import { checkDriverName } from './csi.ts';
import { dns1123LabelProblems } from './names.ts';
import type { Problems } from './problems.ts';
import { checkQuantity } from './resources.ts';

const MODE_MAX = 0o777;
const HOST_PATH_TYPES = ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket'];

export function checkVolumes(problems: Problems, path: string, volumes: readonly Volume[]): void {
  const names = new Set<string>();
  for (const [index, volume] of volumes.entries()) {
    const at = `${path}[${index}]`;
    checkSource(problems, at, volume);
    if (!volume.name) {
      problems.required(`${at}.name`);
      continue;
    }
    const wrong = dns1123LabelProblems(volume.name);
    problems.invalidEach(`${at}.name`, volume.name, wrong);
    if (wrong.length === 0 && names.has(volume.name)) problems.duplicate(`${at}.name`, volume.name);
    names.add(volume.name);
  }
}

function checkSource(problems: Problems, path: string, volume: Volume): void {
  const given = Object.entries(volume).filter(([key, value]) => key !== 'name' && value !== undefined);
  if (given.length === 0) problems.required(path, 'must specify a volume type');
  for (const [kind] of given.slice(1)) problems.forbidden(`${path}.${kind}`, 'may not specify more than 1 volume type');
  const kind = given[0]?.[0];
  const rule = kind === undefined ? undefined : SOURCE_RULES[kind];
  if (kind !== undefined) rule?.(problems, `${path}.${kind}`, volume);
}

const SOURCE_RULES: Readonly<Record<string, (problems: Problems, path: string, volume: Volume) => void>> = {
  emptyDir: (problems, path, { emptyDir }) => {
    if (emptyDir?.sizeLimit !== undefined) checkQuantity(problems, `${path}.sizeLimit`, emptyDir.sizeLimit);
  },
  hostPath: (problems, path, { hostPath }) => {
    if (!hostPath!.path) problems.required(`${path}.path`);
    else checkNoBackSteps(problems, `${path}.path`, hostPath!.path);
    if (hostPath!.type !== undefined && !HOST_PATH_TYPES.includes(hostPath!.type))
      problems.unsupported(`${path}.type`, hostPath!.type, HOST_PATH_TYPES);
  },
  configMap: (problems, path, { configMap }) => {
    if (!configMap!.name) problems.required(`${path}.name`);
    checkFiles(problems, path, configMap!);
  },
  secret: (problems, path, { secret }) => {
    if (!secret!.secretName) problems.required(`${path}.secretName`);
    checkFiles(problems, path, secret!);
  },
  downwardAPI: (problems, path, { downwardAPI }) => checkFiles(problems, path, { defaultMode: downwardAPI!.defaultMode }),
  projected: (problems, path, { projected }) => {
    checkFiles(problems, path, { defaultMode: projected!.defaultMode });
    for (const [index, source] of (projected!.sources ?? []).entries()) checkProjection(problems, `${path}.sources[${index}]`, source);
  },
  persistentVolumeClaim: (problems, path, { persistentVolumeClaim }) => {
    if (!persistentVolumeClaim!.claimName) problems.required(`${path}.claimName`);
  },
  csi: (problems, path, { csi }) => {
    checkDriverName(problems, `${path}.driver`, csi!.driver);
    if (csi!.nodePublishSecretRef && !csi!.nodePublishSecretRef.name) problems.required(`${path}.nodePublishSecretRef.name`);
  },
  ephemeral: (problems, path, { ephemeral }) => {
    if (!ephemeral!.volumeClaimTemplate) problems.required(`${path}.volumeClaimTemplate`);
    else if (!ephemeral!.volumeClaimTemplate.spec?.accessModes?.length)
      problems.required(`${path}.volumeClaimTemplate.spec.accessModes`, 'at least 1 access mode is required');
  },
  nfs: (problems, path, { nfs }) => {
    if (!nfs!.server) problems.required(`${path}.server`);
    if (!nfs!.path) problems.required(`${path}.path`);
    else if (!nfs!.path.startsWith('/')) problems.invalid(`${path}.path`, nfs!.path, 'must be an absolute path');
  },
};

function checkFiles(
  problems: Problems,
  path: string,
  { items, defaultMode }: { items?: KeyToPath[]; defaultMode?: number | undefined },
): void {
  checkMode(problems, `${path}.defaultMode`, defaultMode);
  for (const [index, item] of (items ?? []).entries()) {
    const at = `${path}.items[${index}]`;
    if (!item.key) problems.required(`${at}.key`);
    if (!item.path) problems.required(`${at}.path`);
    else checkLocalPath(problems, `${at}.path`, item.path);
    checkMode(problems, `${at}.mode`, item.mode);
  }
}

function checkMode(problems: Problems, path: string, mode: number | undefined): void {
  if (mode !== undefined && (mode < 0 || mode > MODE_MAX))
    problems.invalid(path, mode, 'must be a number between 0 and 0777 (octal), both inclusive');
}

const TOKEN_LIFETIME = { min: 600, max: 2 ** 32 };

function checkProjection(problems: Problems, path: string, source: VolumeProjection): void {
  const given = Object.entries(source).filter(([, value]) => value !== undefined);
  if (given.length === 0) problems.required(path, 'must specify a volume type');
  for (const [kind] of given.slice(1)) problems.forbidden(`${path}.${kind}`, 'may not specify more than 1 volume type');
  for (const kind of ['configMap', 'secret'] as const) {
    const named = source[kind];
    if (!named) continue;
    if (!named.name) problems.required(`${path}.${kind}.name`);
    checkFiles(problems, `${path}.${kind}`, named);
  }
  const token = source.serviceAccountToken;
  if (!token) return;
  if (!token.path) problems.required(`${path}.serviceAccountToken.path`);
  const seconds = token.expirationSeconds;
  if (seconds !== undefined && seconds < TOKEN_LIFETIME.min)
    problems.invalid(`${path}.serviceAccountToken.expirationSeconds`, seconds, 'may not specify a duration less than 10 minutes');
  if (seconds !== undefined && seconds > TOKEN_LIFETIME.max)
    problems.invalid(`${path}.serviceAccountToken.expirationSeconds`, seconds, 'may not specify a duration larger than 2^32 seconds');
}
