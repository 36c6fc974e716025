import type { Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { PodManager } from '../pods/manager.ts';
import type { RuntimeCache } from '../pods/runtime-cache.ts';
import type { ContainerRuntime } from '../runtime/runtime.ts';
import { rotateLog } from './rotate.ts';

export interface LogKeeper {
  start(): void;
  stop(): void;
}

export interface LogKeeperOptions {
  pods: PodManager;
  cache: RuntimeCache;
  runtime: ContainerRuntime;
  clock: Clock;
  log: Logger;
}

/** As upstream's containerLogMonitorInterval. */
const LOOK_MS = 10_000;

/** Looks at the size of running containers' logs every ten seconds, while there are pods. */
export function createLogKeeper({ pods, cache, runtime, clock, log }: LogKeeperOptions): LogKeeper {
  let cancel: (() => void) | undefined;
  let stopped = false;
  /** Paths do not change while a container lives. */
  const paths = new Map<string, string>();

  async function look(): Promise<void> {
    if (pods.pods().length === 0) return;
    const running = [...(await cache.all()).values()].flatMap(({ containers }) => containers.filter((container) => container.state === 'RUNNING'));
    const alive = new Set(running.map(({ id }) => id));
    for (const id of paths.keys()) if (!alive.has(id)) paths.delete(id);
    for (const { id } of running) {
      const file = paths.get(id) ?? (await runtime.containerStatus(id))?.logPath;
      if (!file) continue;
      paths.set(id, file);
      await rotateLog({ file, reopen: () => runtime.reopenContainerLog(id), now: clock.now() });
    }
  }

  function schedule(): void {
    cancel = clock.timer(LOOK_MS, () => {
      look()
        .catch((error: unknown) => log.warn('container logs could not be rotated', { error: errorMessage(error) }))
        .finally(() => {
          if (!stopped) schedule();
        });
    });
  }

  return {
    start: schedule,
    stop() {
      stopped = true;
      cancel?.();
    },
  };
}
