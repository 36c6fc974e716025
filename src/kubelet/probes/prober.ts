/** One probe of one container. */
import net from 'node:net';
import type { Container, Pod, Probe } from '../../api/types.gen.ts';
import { errorMessage } from '../../lib/errors.ts';
import { expandVariables } from '../containers/expand.ts';
import { type ContainerRuntime, RuntimeError } from '../runtime/runtime.ts';
import { actionUrl, connectText, httpGet, portNumber } from './http.ts';

export interface ProbeTarget {
  pod: Pod;
  container: Container;
  containerId: string;
  podIp: string;
}

export interface ProbeResult {
  success: boolean;
  /** What upstream prints after `Readiness probe failed: `. */
  output: string;
}

const AGENT = 'kube-probe/1.36';
const MAX_OUTPUT = 10 * 1024;

/** Runs the probe once. Never rejects: what goes wrong is a failed probe with that as its output. */
export async function runProbe(runtime: ContainerRuntime, probe: Probe, target: ProbeTarget): Promise<ProbeResult> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  try {
    if (probe.exec) return await execProbe(runtime, probe, target);
    if (probe.httpGet) return await httpProbe(runtime, probe, target);
    if (probe.tcpSocket) {
      const at = { host: probe.tcpSocket.host || target.podIp, port: portNumber(target.container, probe.tcpSocket.port) };
      return await tcpProbe(at, { timeoutMs, connectTo: runtime.addressOf?.(at.host, at.port) });
    }
    if (probe.grpc) {
      const { grpcProbe } = await import('./grpc.ts');
      const { host, port } = runtime.addressOf?.(target.podIp, probe.grpc.port) ?? { host: target.podIp, port: probe.grpc.port };
      return await grpcProbe(`${host}:${port}`, probe.grpc.service ?? '', timeoutMs);
    }
    return { success: false, output: 'missing probe handler' };
  } catch (error) {
    return { success: false, output: errorMessage(error instanceof Error ? new Error(error.message) : error) };
  }
}

async function execProbe(runtime: ContainerRuntime, probe: Probe, { container, containerId }: ProbeTarget): Promise<ProbeResult> {
  const values = new Map((container.env ?? []).map(({ name, value }) => [name, value ?? '']));
  const command = (probe.exec!.command ?? []).map((part) => expandVariables(part, (name) => values.get(name)));
  const seconds = probe.timeoutSeconds ?? 1;
  try {
    const { stdout, stderr, exitCode } = await runtime.execSync(containerId, command, seconds);
    return { success: exitCode === 0, output: Buffer.concat([stdout, stderr]).toString('utf8', 0, MAX_OUTPUT) };
  } catch (error) {
    if (error instanceof RuntimeError && error.code === 'Timeout')
      return { success: false, output: `command timed out: "${command.join(' ')}" timed out after ${seconds}s` };
    throw error;
  }
}

async function httpProbe(runtime: ContainerRuntime, probe: Probe, { container, podIp }: ProbeTarget): Promise<ProbeResult> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  const action = probe.httpGet!;
  const url = actionUrl(action, podIp, portNumber(container, action.port));
  const connectTo = runtime.addressOf?.bind(runtime);
  const { statusCode, body } = await httpGet(url, { headers: action.httpHeaders, timeoutMs, agent: AGENT, connectTo });
  if (statusCode >= 200 && statusCode < 400) return { success: true, output: body };
  return { success: false, output: `HTTP probe failed with statuscode: ${statusCode}` };
}

interface Place {
  host: string;
  port: number;
}

function tcpProbe({ host, port }: Place, { timeoutMs, connectTo }: { timeoutMs: number; connectTo?: Place }): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = net.connect(connectTo ?? { host, port });
    const end = (result: ProbeResult): void => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(timeoutMs, () => end({ success: false, output: `dial tcp ${host}:${port}: i/o timeout` }));
    socket.once('connect', () => end({ success: true, output: '' }));
    const address = { hostname: host, port: String(port) };
    socket.once('error', (error) => end({ success: false, output: connectText(address, error, new AbortController().signal) }));
  });
}
