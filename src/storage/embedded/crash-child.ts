/** The process that the contract's kill test kills: it writes to the store in the directory given and prints what is acknowledged. */
import { writeSync } from 'node:fs';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { writeUntilKilled } from '../crash-writer.ts';
import { openEmbeddedStorage } from './store.ts';

const storage = await openEmbeddedStorage({ path: process.argv[2]!, clock: systemClock(), log: silentLogger });
await writeUntilKilled(storage, (key, revision) => void writeSync(1, `${key} ${revision}\n`));
