import { chmod, lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { changeOwner } from './change-owner.ts';
import type { Pod } from '../../api/types.gen.ts';

/** Who a volume's files are handed to: the pod's fsGroup, and the user when all containers run as the same one. */
export function volumeOwner(pod: Pod): { uid?: number; gid?: number } {
  const { fsGroup, runAsUser } = pod.spec?.securityContext ?? {};
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const users = new Set(containers.map((container) => container.securityContext?.runAsUser ?? runAsUser));
  const [uid] = users;
  return { gid: fsGroup, uid: users.size === 1 ? uid : undefined };
}

/** Gives a volume to the fsGroup: group read and write, folders hand the group on (upstream's SetVolumeOwnership). */
export async function applyFsGroup(folder: string, gid: number, policy: string | undefined): Promise<void> {
  const root = await lstat(folder);
  // OnRootMismatch: a root that fits tells that the walk was done before
  if (policy === 'OnRootMismatch' && root.gid === gid && (root.mode & 0o2070) === 0o2070) return;
  await giveTo(folder, gid, true);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    await giveTo(path.join(entry.parentPath, entry.name), gid, entry.isDirectory());
  }
}

async function giveTo(file: string, gid: number, folder: boolean): Promise<void> {
  const { mode } = await lstat(file);
  await changeOwner(file, -1, gid);
  await chmod(file, (mode & 0o7777) | (folder ? 0o2770 : 0o660));
}
