/** postStart and preStop. */
import type { Container, LifecycleHandler } from '../../api/types.gen.ts';
import type { Clock } from '../../lib/clock.ts';
import { actionUrl, httpGet, portNumber } from '../probes/http.ts';
import type { ContainerRuntime } from '../runtime/runtime.ts';

export interface HookTarget {
  container: Container;
  containerId: string;
  podIp: string;
}

/** Longer than any hook may take; the pod's grace period ends a preStop hook earlier. */
const DEADLINE_SECONDS = 3600;

/** Runs a lifecycle handler to its end. Throws Error in upstream's words when it fails. */
export async function runHook(
  handler: LifecycleHandler,
  target: HookTarget,
  { runtime, clock, signal }: { runtime: ContainerRuntime; clock: Clock; signal: AbortSignal },
): Promise<void> {
  const { container, containerId, podIp } = target;
  if (handler.exec) {
    const command = handler.exec.command ?? [];
    const { exitCode, stdout, stderr } = await runtime.execSync(containerId, command, DEADLINE_SECONDS);
    if (exitCode !== 0) {
      const output = Buffer.concat([stdout, stderr]).toString('utf8').trim();
      throw new Error(`command '${command.join(' ')}' exited with ${exitCode}: ${output}`);
    }
  } else if (handler.httpGet) {
    const url = actionUrl(handler.httpGet, podIp, portNumber(container, handler.httpGet.port));
    const connectTo = runtime.addressOf?.bind(runtime);
    await httpGet(url, {
      headers: handler.httpGet.httpHeaders,
      timeoutMs: DEADLINE_SECONDS * 1000,
      agent: 'kube-lifecycle/1.36',
      connectTo,
    });
  } else if (handler.sleep) {
    await clock.sleep(handler.sleep.seconds * 1000, signal);
  } else {
    throw new Error('invalid handler: one of exec, httpGet or sleep is needed');
  }
}
