/** The one door to mounts: everything that the kubelet mounts or unmounts on the node goes through here. */
import { execa } from 'execa';
import { readFile } from 'node:fs/promises';

export interface Mounts {
  /** Mounts a tmpfs on an existing folder. `sizeBytes` bounds it. Throws when the node lacks the right to. */
  tmpfs(path: string, options: { sizeBytes?: number }): Promise<void>;
  /** Succeeds where nothing is mounted. */
  unmount(path: string): Promise<void>;
  /** Mount points under a folder, deepest first. */
  under(folder: string): Promise<string[]>;
}

const DEADLINE_MS = 10_000;

/** The kernel's mounts, by mount(8) and umount(8). */
export function kernelMounts(): Mounts {
  return {
    async tmpfs(path, { sizeBytes }) {
      const options = sizeBytes ? ['-o', `size=${sizeBytes}`] : [];
      await execa('mount', ['-t', 'tmpfs', ...options, 'tmpfs', path], { timeout: DEADLINE_MS });
    },
    async unmount(path) {
      if ((await mountPoints()).includes(path)) await execa('umount', [path], { timeout: DEADLINE_MS });
    },
    async under(folder) {
      const inside = (await mountPoints()).filter((point) => point.startsWith(`${folder}/`));
      return inside.toSorted((a, b) => b.length - a.length);
    },
  };
}

/** For a node that may not mount (sim): memory volumes are plain folders. */
export function noMounts(): Mounts {
  return {
    tmpfs: () => Promise.resolve(),
    unmount: () => Promise.resolve(),
    under: () => Promise.resolve([]),
  };
}

/** Field 5 of /proc/self/mountinfo, with its octal escapes undone (proc(5)). */
async function mountPoints(): Promise<string[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  return lines
    .filter(Boolean)
    .map((line) => line.split(' ')[4]!.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))));
}
