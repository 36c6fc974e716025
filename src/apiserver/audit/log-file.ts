import { constants } from 'node:fs';
import { mkdir, open, readdir, rename, stat, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { errorCode } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { AuditEvent } from './event.ts';
import type { AuditSink } from './audit.ts';

export interface AuditLogOptions {
  path: string;
  /** Bytes after which a new file is begun. */
  maxBytes: number;
  /** How many old files are kept; 0 keeps all. */
  maxBackups: number;
  /** Milliseconds that old files are kept; 0 keeps them for ever. */
  maxAgeMs: number;
  clock: Clock;
  log: Logger;
}

const MIB = 1024 * 1024;
const DAY_MS = 86_400_000;
/** kube-apiserver's flags --audit-log-maxsize, --audit-log-maxbackup and --audit-log-maxage; it keeps everything unless they are given. */
export const AUDIT_LOG_LIMITS = { maxBytes: 100 * MIB, maxBackups: 10, maxAgeMs: 30 * DAY_MS };

/**
 * Audit events as lines of JSON in a file (0600). Lines of one turn are written together, in order. A full file is renamed to
 * `audit-2026-01-31T12-00-00.000.log` as upstream's are, and a new one begun. What a disk refuses is told to the server's log once until it
 * works again; requests do not wait for it.
 */
export class AuditLogFile implements AuditSink {
  readonly #options: AuditLogOptions;
  #waiting: string[] = [];
  #writing: Promise<void> | undefined;
  #file: { handle: FileHandle; size: number } | undefined;
  #failed = false;

  constructor(options: AuditLogOptions) {
    this.#options = options;
  }

  write(event: AuditEvent): void {
    this.#waiting.push(`${JSON.stringify(event)}\n`);
    this.#writing ??= this.#drain();
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file?.handle.close();
    this.#file = undefined;
  }

  async #drain(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const lines = this.#waiting.splice(0);
      try {
        await this.#append(Buffer.from(lines.join('')));
        this.#failed = false;
      } catch (error) {
        if (!this.#failed)
          this.#options.log.error('the audit log cannot be written', { path: this.#options.path, events: lines.length, error });
        this.#failed = true;
      }
    }
    this.#writing = undefined;
  }

  async #append(bytes: Buffer): Promise<void> {
    if (this.#file && this.#file.size > 0 && this.#file.size + bytes.length > this.#options.maxBytes) await this.#rotate();
    this.#file ??= await this.#open();
    await this.#file.handle.appendFile(bytes);
    this.#file.size += bytes.length;
  }

  async #open(): Promise<{ handle: FileHandle; size: number }> {
    const { path } = this.#options;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const handle = await open(path, constants.O_CREAT | constants.O_APPEND | constants.O_WRONLY, 0o600);
    const { size } = await handle.stat();
    return { handle, size };
  }

  async #rotate(): Promise<void> {
    const { path, clock } = this.#options;
    await this.#file!.handle.close();
    this.#file = undefined;
    const moment = new Date(clock.now()).toISOString().replaceAll(':', '-').replace('Z', '');
    await rename(path, join(dirname(path), `${this.#stem()}-${moment}${extname(path)}`));
    await this.#prune();
  }

  #stem(): string {
    const { path } = this.#options;
    return basename(path, extname(path));
  }

  /** Names sort by their time. */
  async #prune(): Promise<void> {
    const { path, maxBackups, maxAgeMs, clock } = this.#options;
    const folder = dirname(path);
    const prefix = `${this.#stem()}-`;
    const old = (await readdir(folder)).filter((name) => name.startsWith(prefix) && name.endsWith(extname(path))).toSorted();
    const tooMany = maxBackups > 0 ? old.slice(0, -maxBackups) : [];
    for (const name of old) {
      const { mtimeMs } = await stat(join(folder, name));
      if (tooMany.includes(name) || (maxAgeMs > 0 && mtimeMs < clock.now() - maxAgeMs)) await remove(join(folder, name));
    }
  }
}

async function remove(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
