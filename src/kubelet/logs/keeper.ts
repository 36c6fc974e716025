import type { Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { PodManager } from '../pods/manager.ts';
import type { ContainerRuntime } from '../runtime/runtime.ts';
import { rotateLog } from './rotate.ts';

export interface LogKeeper {
  start(): void;
  close(): void;
}

export interface LogKeeperOptions {
  pods: PodManager;
  runtime: ContainerRuntime;
  clock: Clock;
  log: Logger;
}

/** As upstream's containerLogMonitorInterval. */
const LOOK_MS = 10_000;

/** Looks at the size of running containers' logs every ten seconds. */
export function createLogKeeper({ pods, runtime, clock, log }: LogKeeperOptions): LogKeeper {
  let cancel: (() => void) | undefined;
  let stopped = false;

  async function look(): Promise<void> {
    for (const { id, logPath: file } of pods.runningContainers()) {
      if (file) await rotateLog({ file, reopen: () => runtime.reopenContainerLog(id), now: clock.now() });
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
    close() {
      stopped = true;
      cancel?.();
    },
  };
}
