import { notFound } from '../../api/status.ts';
import type { Namespace } from '../../api/types.gen.ts';
import { forbidden } from '../authz/forbidden.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../contract.ts';
import type { StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { refuse } from './refuse.ts';

const IMMORTAL = new Set(['default', 'kube-system', 'kube-public']);

/** Objects are written only into namespaces that exist, and created only in those that are not being deleted. */
export function namespaceLifecycle(objects: StoredObjects): AdmissionPlugin {
  const namespaces = stored<Namespace>(objects, '', 'v1', 'namespaces');
  // Asked in the first round too: what the other plugins default (a service account) must not be looked for in a namespace that is not there.
  const check = async (request: AdmissionRequest): Promise<void> => {
    const { operation, resource, namespace } = request;
    if (resource.group === '' && resource.resource === 'namespaces') {
      if (operation === 'DELETE' && IMMORTAL.has(request.name))
        throw forbidden('namespaces', '', request.name, 'this namespace may not be deleted');
      return;
    }
    if (!namespace || operation === 'DELETE' || isAccessReview(request)) return;
    const found = namespaces.get('', namespace) ?? (await namespaces.find('', namespace));
    if (!found) throw notFound('namespaces', '', namespace);
    if (operation === 'CREATE' && (found.status?.phase === 'Terminating' || found.metadata.deletionTimestamp)) throw terminating(request);
  };
  return {
    name: 'NamespaceLifecycle',
    async mutate(request) {
      await check(request);
      return undefined;
    },
    validate: check,
  };
}

function isAccessReview({ resource }: AdmissionRequest): boolean {
  return resource.group === 'authorization.k8s.io' && resource.resource === 'localsubjectaccessreviews';
}

function terminating(request: AdmissionRequest): Error {
  const { namespace } = request;
  const error = refuse(request, `unable to create new content in namespace ${namespace} because it is being terminated`);
  error.status.details!.causes = [
    { reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' },
  ];
  return error;
}
