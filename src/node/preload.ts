import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { importImageArchive } from '../kubelet/runtime/cri/import.ts';
import type { Logger } from '../lib/log.ts';

/**
 * Imports the archives of a folder into containerd, pinned. What was imported is noted beside containerd's own state, by name, size and
 * time: a later start on the same volume reads nothing.
 */
export async function preloadImages(
  folder: string,
  { socket, dataDir, log }: { socket: string; dataDir: string; log: Logger },
): Promise<void> {
  if (!existsSync(folder)) return;
  const noteFile = join(dataDir, 'preloaded.json');
  const known = existsSync(noteFile) ? (JSON.parse(readFileSync(noteFile, 'utf8')) as Record<string, string>) : {};
  const archives = readdirSync(folder).filter((name) => name.endsWith('.tar'));
  const stamps = Object.fromEntries(archives.map((name) => [name, stampOf(join(folder, name))]));
  const missing = archives.filter((name) => known[name] !== stamps[name]);
  if (missing.length === 0) return;
  await Promise.all(
    missing.map(async (name) => {
      const names = await importImageArchive(socket, join(folder, name), { pinned: true });
      log.info('image preloaded', { archive: name, names: names.join(' ') });
    }),
  );
  writeFileSync(noteFile, JSON.stringify(stamps));
}

function stampOf(path: string): string {
  const { size, mtimeMs } = statSync(path);
  return `${size}-${mtimeMs}`;
}
