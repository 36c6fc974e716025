/** Where CSI volumes stand on the node (upstream's paths), and the note beside each pod's volume that is enough to take it down again. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { csiUniqueVolumeName } from '../../../api/csi-names.ts';
import { errorCode } from '../../../lib/errors.ts';

const PLUGIN = 'kubernetes.io~csi';
const NOTE = 'vol_data.json';

/** What `vol_data.json` says. Its names are upstream's, so that either kubelet finds the other's volumes. */
export interface VolumeNote {
  specVolID: string;
  volumeHandle: string;
  driverName: string;
  nodeName: string;
  attachmentID: string;
  volumeLifecycleMode: 'Persistent' | 'Ephemeral';
  /** Ours: 'Block' where the target is a device. */
  volumeMode?: string;
}

export interface NotedVolume {
  podUid: string;
  /** The folder with the note. */
  folder: string;
  note: VolumeNote;
}

/** The handle of an inline volume, which lives and goes with its pod. */
export function ephemeralHandle({ namespace, podUid, volume }: { namespace: string; podUid: string; volume: string }): string {
  return `csi-${sha256(`${namespace}${podUid}${volume}`)}`;
}

/** As node.status.volumesInUse and volumesAttached name it. */
export function uniqueVolumeName({ driverName, volumeHandle }: Pick<VolumeNote, 'driverName' | 'volumeHandle'>): string {
  return csiUniqueVolumeName({ driver: driverName, volumeHandle });
}

export function podVolumeFolder(rootDir: string, podUid: string, specName: string): string {
  return path.join(rootDir, 'pods', podUid, 'volumes', PLUGIN, specName);
}

/** Where the driver prepares a volume once for all pods of the node. */
export function stagingPath(rootDir: string, { driverName, volumeHandle, volumeMode, specVolID }: VolumeNote): string {
  const plugin = path.join(rootDir, 'plugins', 'kubernetes.io', 'csi');
  if (volumeMode === 'Block') return path.join(plugin, 'volumeDevices', 'staging', specVolID);
  return path.join(plugin, driverName, sha256(volumeHandle), 'globalmount');
}

/** Where the driver shows a volume to one pod. */
export function targetPath(rootDir: string, podUid: string, note: VolumeNote): string {
  if (note.volumeMode === 'Block')
    return path.join(rootDir, 'plugins', 'kubernetes.io', 'csi', 'volumeDevices', 'publish', note.specVolID, podUid);
  return path.join(podVolumeFolder(rootDir, podUid, note.specVolID), 'mount');
}

/** Whole or not at all: a kubelet that is killed here must not find half a note. */
export async function writeNote(folder: string, note: VolumeNote): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o750 });
  await writeFile(path.join(folder, `${NOTE}.new`), JSON.stringify(note));
  await rename(path.join(folder, `${NOTE}.new`), path.join(folder, NOTE));
}

/** The CSI volumes of one pod that are set up, or were being set up. */
export async function notedVolumes(rootDir: string, podUid: string): Promise<NotedVolume[]> {
  const parent = path.dirname(podVolumeFolder(rootDir, podUid, 'any'));
  const found = await Promise.all(
    (await entriesOf(parent)).map(async (name) => ({
      podUid,
      folder: path.join(parent, name),
      note: await readNote(path.join(parent, name)),
    })),
  );
  return found.filter((one): one is NotedVolume => one.note !== undefined);
}

/** Those of all pods on the node. */
export async function allNotedVolumes(rootDir: string): Promise<NotedVolume[]> {
  const pods = await entriesOf(path.join(rootDir, 'pods'));
  return (await Promise.all(pods.map((podUid) => notedVolumes(rootDir, podUid)))).flat();
}

async function readNote(folder: string): Promise<VolumeNote | undefined> {
  const text = await unlessMissing(readFile(path.join(folder, NOTE), 'utf8'));
  return text === undefined ? undefined : (JSON.parse(text) as VolumeNote);
}

async function entriesOf(folder: string): Promise<string[]> {
  return (await unlessMissing(readdir(folder))) ?? [];
}

async function unlessMissing<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
