import type { LabelSelector } from '../../../api/selectors.ts';
import { notFound } from '../../../api/status.ts';
import type { Namespace } from '../../../api/types.gen.ts';
import type { AdmissionRequest } from '../../contract.ts';
import { stored, type StoredObjects } from '../../stored.ts';

/** Whether a namespaceSelector lets a request through. Throws StatusError 404 when its namespace does not exist. */
export type NamespaceMatcher = (selector: LabelSelector, request: AdmissionRequest) => boolean | Promise<boolean>;

/**
 * Requests outside of namespaces are never exempted by a namespaceSelector. A namespace that is created or changed is looked at as it is
 * going to be.
 */
export function namespaceMatcher(objects: StoredObjects): NamespaceMatcher {
  const namespaces = stored<Namespace>(objects, '', 'v1', 'namespaces');
  return (selector, request) => {
    if (selector.everything) return true;
    const { resource, namespace, subresource, operation, object } = request;
    const isNamespace = resource.resource === 'namespaces' && resource.group === '';
    if (isNamespace && subresource === '' && object && operation !== 'DELETE') return selector.matchesLabels(object.metadata.labels);
    if (namespace === '') return !isNamespace || selector.matchesLabels(undefined);
    const known = namespaces.get('', namespace);
    if (known) return selector.matchesLabels(known.metadata.labels);
    return namespaces.find('', namespace).then((found) => {
      if (!found) throw notFound('namespaces', '', namespace);
      return selector.matchesLabels(found.metadata.labels);
    });
  };
}

/** Whether an objectSelector matches the object or what it replaces. Options of a connection have no labels and match nothing but everything. */
export function matchesObject(selector: LabelSelector, { object, oldObject }: Pick<AdmissionRequest, 'object' | 'oldObject'>): boolean {
  if (selector.everything) return true;
  return [object, oldObject].some((each) => each?.metadata !== undefined && selector.matchesLabels(each.metadata.labels));
}
