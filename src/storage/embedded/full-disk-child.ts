/** The process of the full-disk test: its argument is a directory on a disk of a few megabytes, which it fills. Prints what it saw as JSON. */
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { StorageError } from '../storage.ts';
import { openEmbeddedStorage } from './store.ts';

const directory = process.argv[2]!;
const options = { path: path.join(directory, 'store'), clock: systemClock(), log: silentLogger };
const ballast = path.join(directory, 'ballast');
await writeFile(ballast, Buffer.alloc(1_000_000));

const storage = await openEmbeddedStorage(options);
let written = 0;
let code: string | undefined;
while (code === undefined) {
  try {
    await storage.create(`/k/${written}`, Buffer.alloc(10_000));
    written++;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    code = error.code;
  }
}
const read = (await storage.range('/k/')).items.length;
await rm(ballast);
const { revision } = await storage.create('/again', Buffer.alloc(10_000));
await storage.close();

const second = await openEmbeddedStorage(options);
const reopened = (await second.range('/k/')).items.length;
const again = (await second.get('/again'))?.modRevision === revision;
await second.close();
process.stdout.write(JSON.stringify({ written, code, read, reopened, again }));
