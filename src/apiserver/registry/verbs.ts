import { statusError } from '../../api/status.ts';
import { componentStatuses } from './component-statuses.ts';
import { create } from './create.ts';
import { remove } from './delete.ts';
import { deleteCollection } from './deletecollection.ts';
import { get } from './get.ts';
import { deprecationOf } from './kinds.ts';
import { list } from './list.ts';
import { patch } from './patch.ts';
import type { Call, Registry, Result, VerbHandler } from './registry.ts';
import { SUBRESOURCES } from './subresources.ts';
import { update } from './update.ts';
import { watch } from './watch.ts';

const VERBS: Readonly<Record<string, VerbHandler>> = {
  get,
  list,
  watch,
  create,
  update,
  patch,
  delete: remove,
  deletecollection: deleteCollection,
};

/** Verbs whose path ends with a name, or, for create, must not. */
const NAMED = new Set(['create', 'update', 'patch']);

/** Across namespaces there is only reading. */
const COLLECTION_WRITES = new Set(['create', 'deletecollection']);

/** Carries out a resource request. Throws StatusError 404 and 405 for what is not served. */
export async function carryOut(registry: Registry, call: Call): Promise<Result> {
  const { info } = call.context;
  const offered = call.served.info;
  const deprecation = deprecationOf(offered);
  if (deprecation) call.context.warn(deprecation);
  if (info.subresource === '') {
    const verb = VERBS[info.verb];
    if (!verb || !offered.verbs.includes(info.verb) || (NAMED.has(info.verb) && (info.verb === 'create') !== (info.name === '')))
      throw notAllowed();
    if (offered.namespaced && info.namespace === '' && COLLECTION_WRITES.has(info.verb)) throw notAllowed();
    if (needsNamespace(call)) throw notServed();
    return offered.resource === 'componentstatuses' ? componentStatuses(registry, call) : verb(registry, call);
  }
  const subresource = offered.subresources.find(({ name }) => name === info.subresource);
  // A Binding posted to its own collection names its pod in the body.
  if (!subresource || (info.name === '' && info.subresource !== 'binding')) throw notServed();
  const verb = SUBRESOURCES[info.subresource]?.[info.verb];
  if (!verb || !subresource.verbs.includes(info.verb)) throw notAllowed();
  return verb(registry, call);
}

/** A single object of a namespaced resource has no path without its namespace. */
function needsNamespace({ context: { info }, served }: Call): boolean {
  if (!served.info.namespaced) return info.namespace !== '' && served.info.resource !== 'namespaces';
  return info.namespace === '' && info.verb !== 'list' && info.verb !== 'watch';
}

/** What go-restful's router says, as kube-apiserver words it. */
function notAllowed(): Error {
  return statusError('MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}

export function notServed(): Error {
  return statusError('NotFound', 'the server could not find the requested resource', {});
}
