import type { Pod } from '../../api/types.gen.ts';
import { RUNTIME_CLASSES } from '../../client/resources.ts';
import { appContainers, initContainers } from './containers-of.ts';
import type { PodServices } from './services.ts';

/** The handlers that a runtime has without configuration: RuntimeClasses may name the default one. */
const DEFAULT_HANDLERS = ['', 'runc', 'crun'];

/** Why this node cannot run the pod as its spec asks, or undefined. What would change how the pod is fenced in is never ignored. */
export async function unsupported(pod: Pod, { objects }: Pick<PodServices, 'objects'>): Promise<string | undefined> {
  const spec = pod.spec!;
  if (spec.hostUsers === false) return 'spec.hostUsers: false: user namespaces are not supported on this node';
  const profiles = [spec, ...appContainers(pod), ...initContainers(pod)].map((one) => one.securityContext?.appArmorProfile?.type);
  if (profiles.includes('Localhost')) return 'Cannot enforce AppArmor: AppArmor is not enabled on the host';
  if (!spec.runtimeClassName) return undefined;
  const runtimeClass = await objects.fresh({ type: RUNTIME_CLASSES, namespace: '', name: spec.runtimeClassName });
  if (!runtimeClass) return `runtimeclasses.node.k8s.io "${spec.runtimeClassName}" not found`;
  const { handler } = runtimeClass;
  return DEFAULT_HANDLERS.includes(handler) ? undefined : `failed to get sandbox runtime: no runtime for "${handler}" is configured`;
}
