import type { ClusterContext } from './context.ts';
import type { HostState } from './driver.ts';
import { openDriver } from './drivers/choose.ts';
import { isConfigured } from './kubeconfig.ts';
import { serverUrl } from './node-config.ts';
import { requireProfile } from './profile.ts';
import type { DriverName } from './profile.ts';

export interface ClusterStatus {
  name: string;
  driver: DriverName;
  host: HostState;
  kubelet: 'Running' | 'Stopped';
  apiserver: 'Running' | 'Stopped' | 'Error';
  kubeconfig: 'Configured' | 'Misconfigured';
  /** Where the API answers. */
  server: string;
}

const API_MS = 5_000;

/** What runs. The API is asked for its health and the node for its condition; neither makes this throw. */
export async function clusterStatus(name: string, context: ClusterContext): Promise<ClusterStatus> {
  const profile = await requireProfile(context.home, name);
  const driver = await openDriver(profile.driver, context);
  const server = serverUrl(profile);
  const [host, configured] = await Promise.all([driver.state(profile), isConfigured(name, server, context)]);
  const base = {
    name,
    driver: profile.driver,
    host,
    kubeconfig: configured ? ('Configured' as const) : ('Misconfigured' as const),
    server,
  };
  if (host !== 'Running') return { ...base, kubelet: 'Stopped', apiserver: 'Stopped' };
  const { withApi } = await import('./api.ts');
  const { NODES } = await import('../client/resources.ts');
  const answer = await withApi(profile, context, async (client) => {
    const signal = AbortSignal.any([context.signal, AbortSignal.timeout(API_MS)]);
    try {
      await client.request({ method: 'GET', path: '/readyz', signal });
    } catch (error) {
      context.signal.throwIfAborted();
      return { apiserver: 'Error' as const, ready: false, error };
    }
    const node = await client.resource(NODES).list({ fieldSelector: `metadata.name=${name}`, signal });
    const ready = node.items[0]?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
    return { apiserver: 'Running' as const, ready };
  });
  return { ...base, apiserver: answer.apiserver, kubelet: answer.ready ? 'Running' : 'Stopped' };
}

/** minikube's bits: 1 the node does not run, 2 kubelet or API server does not, 4 kubectl is not pointed at it. */
export function statusExitCode({ host, kubelet, apiserver, kubeconfig }: ClusterStatus): number {
  return (host === 'Running' ? 0 : 1) | (kubelet === 'Running' && apiserver === 'Running' ? 0 : 2) | (kubeconfig === 'Configured' ? 0 : 4);
}
