/**
 * Plugins of the node (CSI and DRA drivers) announce themselves by a socket in `plugins_registry`: each is asked who it is, handed to the
 * handler of its type, and told how that went. One whose socket goes is deregistered.
 * https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/ and the kubelet's pluginregistration/v1 API.
 */
import { type FSWatcher, watch } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { backoffDelay } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorCode, errorMessage } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Rng } from '../../lib/random.ts';
import { GET_INFO, NOTIFY_REGISTRATION_STATUS } from './messages.ts';

export interface Plugin {
  name: string;
  /** The socket that the plugin serves its own API on. */
  endpoint: string;
  versions: readonly string[];
}

export interface PluginHandler {
  /** Takes the plugin into service; what it throws is told to the plugin, which is asked again later. */
  register(plugin: Plugin): Promise<void>;
  deregister(name: string): Promise<void>;
}

/** `CSIPlugin`, `DRAPlugin` … */
export type PluginHandlers = Readonly<Record<string, PluginHandler>>;

export interface PluginRegistry {
  /** Resolves once the folder is watched; plugins that are there already are asked in the background. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface PluginRegistryOptions {
  /** `/var/lib/kubelet/plugins_registry` */
  folder: string;
  handlers: PluginHandlers;
  clock: Clock;
  rng: Rng;
  log: Logger;
}

const CALL_MS = 10_000;
const RETRY = { baseMs: 100, maxMs: 30_000, jitter: 0.1 };

export function createPluginRegistry(options: PluginRegistryOptions): PluginRegistry {
  return new Registry(options);
}

interface Known {
  /** Tells a socket from its successor of the same name. */
  inode: number;
  registered?: { type: string; name: string };
  failures: number;
  cancelRetry?: () => void;
}

class Registry implements PluginRegistry {
  readonly #options: PluginRegistryOptions;
  readonly #known = new Map<string, Known>();
  #watcher: FSWatcher | undefined;
  #pending = false;
  #working: Promise<void> | undefined;
  #stopped = false;

  constructor(options: PluginRegistryOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { folder, log } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o750 });
    this.#watcher = watch(folder, () => this.#look());
    this.#watcher.on('error', (error) => log.warn('the folder of plugins cannot be watched', { folder, error: errorMessage(error) }));
    this.#look();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watcher?.close();
    for (const { cancelRetry } of this.#known.values()) cancelRetry?.();
    await this.#working;
  }

  #look(): void {
    this.#pending = true;
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    while (this.#pending && !this.#stopped) {
      this.#pending = false;
      try {
        await this.#compare(await this.#sockets());
      } catch (error) {
        this.#options.log.warn('plugins could not be looked for', { error: errorMessage(error) });
      }
    }
  }

  async #sockets(): Promise<Map<string, number>> {
    const result = new Map<string, number>();
    for (const name of await readdir(this.#options.folder)) {
      if (name.startsWith('.')) continue;
      const file = path.join(this.#options.folder, name);
      const found = await statOf(file);
      if (found?.isSocket()) result.set(file, found.ino);
    }
    return result;
  }

  async #compare(sockets: ReadonlyMap<string, number>): Promise<void> {
    for (const [file, known] of this.#known) if (sockets.get(file) !== known.inode) await this.#remove(file, known);
    for (const [file, inode] of sockets) {
      const known = this.#known.get(file) ?? { inode, failures: 0 };
      this.#known.set(file, known);
      if (!known.registered && !known.cancelRetry) await this.#register(file, known);
    }
  }

  async #remove(file: string, known: Known): Promise<void> {
    const { handlers, log } = this.#options;
    known.cancelRetry?.();
    this.#known.delete(file);
    if (!known.registered) return;
    const { type, name } = known.registered;
    await handlers[type]!.deregister(name);
    log.info('plugin deregistered', { type, name });
  }

  async #register(file: string, known: Known): Promise<void> {
    const { handlers, log, clock, rng } = this.#options;
    // grpc is loaded with the first plugin; most nodes have none
    const { connectUnix } = await import('../runtime/cri/connection.ts');
    const connection = connectUnix(file);
    try {
      const { type, name, endpoint, supportedVersions } = await connection.call(GET_INFO, {}, { deadlineMs: CALL_MS });
      const handler = handlers[type];
      const status = { pluginRegistered: false, error: `no handler registered for plugin type: ${type} at socket ${file}` };
      try {
        if (!handler) throw new Error(status.error);
        await handler.register({ name, endpoint: endpoint || file, versions: supportedVersions });
      } catch (error) {
        await connection.call(NOTIFY_REGISTRATION_STATUS, { ...status, error: errorMessage(error) }, { deadlineMs: CALL_MS });
        throw error;
      }
      known.registered = { type, name };
      known.failures = 0;
      log.info('plugin registered', { type, name, endpoint });
      await connection.call(NOTIFY_REGISTRATION_STATUS, { pluginRegistered: true }, { deadlineMs: CALL_MS });
    } catch (error) {
      log.warn('plugin could not be registered', { socket: file, error: errorMessage(error) });
      if (known.registered) return;
      known.cancelRetry = clock.timer(backoffDelay(known.failures++, RETRY, rng), () => {
        known.cancelRetry = undefined;
        this.#look();
      });
    } finally {
      connection.close();
    }
  }
}

async function statOf(file: string) {
  try {
    return await stat(file);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
