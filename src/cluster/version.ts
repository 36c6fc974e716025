import { failure } from './reasons.ts';

/** The version of the Kubernetes API that this release serves. */
export const KUBERNETES_VERSION = 'v1.36';

/** Throws KUBERNETES_VERSION unless `asked` names what is served: `1.36`, `v1.36`, `v1.36.2`, `stable`, `latest`. */
export function checkKubernetesVersion(asked: string): void {
  if (['stable', 'latest'].includes(asked) || /^v?1\.36(\.\d+)?$/.test(asked)) return;
  throw failure('KUBERNETES_VERSION', `Kubernetes ${asked} is not what this release serves, which is ${KUBERNETES_VERSION}`);
}
