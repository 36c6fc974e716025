import { statusError } from '../../api/status.ts';
import { cloneJson } from '../../api/patch/json.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { ResourceInfo } from '../../api/schema/schema.ts';
import { valueBody } from '../body.ts';
import { Request } from '../context.ts';
import type { ObjectSource } from '../contract.ts';
import type { ServedResource } from '../resources.ts';
import { isReadable } from '../watch/unreadable-entry.ts';
import { toStored, viewOf } from './convert.ts';
import { createDecoded } from './create.ts';
import { removeObject } from './delete.ts';
import type { Call, Registry } from './registry.ts';
import { rulesFor, updateObject } from './update.ts';

const SELF = { name: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] };
const OPTIONS = { dryRun: false, fieldManager: 'kube-apiserver', fieldValidation: 'Ignore', force: false } as const;

/**
 * The server's own door to what it stores: the rules of the registry, without admission, and without validation, which would refuse what
 * the server alone may say (the Service `kubernetes` may well be at a loopback address).
 */
export function objectSource(registry: Registry): ObjectSource {
  const unadmitted: Registry = { ...registry, admission: [], tolerates: () => true };
  const servedOf = (info: ResourceInfo): ServedResource => registry.resources.must(info.group, info.version, info.resource);
  const replace = async (info: ResourceInfo, object: KubeObject, subresource: '' | 'status'): Promise<KubeObject> => {
    const served = servedOf(info);
    const call = callFor(registry, served, 'PUT', object, subresource);
    const { entry } = await updateObject(unadmitted, call, {
      options: OPTIONS,
      rules: rulesFor(call),
      make: () => toStored(served, cloneJson(object)),
    });
    return entry.object;
  };
  return {
    fresh: () => registry.cache.fresh(),
    get: (info, namespace, name) => {
      const served = servedOf(info);
      const entry = served.cache.get(info.namespaced ? namespace : '', name);
      return entry && isReadable(entry) ? viewOf(served, entry).object : undefined;
    },
    list: (info, namespace) => {
      const served = servedOf(info);
      // What cannot be decrypted is there for its own readers to be told of; the server's parts go on without it.
      const objects: KubeObject[] = [];
      for (const entry of served.cache.list(namespace)) if (isReadable(entry)) objects.push(viewOf(served, entry).object);
      return objects;
    },
    subscribe: (info, onChange) => {
      const served = servedOf(info);
      return served.cache.subscribe((events) => {
        for (const { entry, previous, type } of events) {
          onChange(viewOf(served, entry).object, previous && viewOf(served, previous).object, type === 'DELETED');
        }
      });
    },
    create: async (info, object) =>
      (await createDecoded(unadmitted, callFor(registry, servedOf(info), 'POST', object), cloneJson(object), { options: OPTIONS })).object,
    update: (info, object) => replace(info, object, ''),
    updateStatus: (info, object) => replace(info, object, 'status'),
    delete: async (info, namespace, name) => {
      const served = servedOf(info);
      const call = callFor(registry, served, 'DELETE', { metadata: { namespace, name } });
      await removeObject(unadmitted, call, { dryRun: false, waitsForDependents: false }, name);
    },
  };
}

function callFor({ clock }: Registry, served: ServedResource, method: string, { metadata }: KubeObject, subresource = ''): Call {
  const { info } = served;
  const { name, namespace } = metadata;
  if (method !== 'POST' && !name) throw statusError('BadRequest', 'the object has no name');
  const root = info.group ? `/apis/${info.group}/${info.version}` : `/api/${info.version}`;
  const scope = info.namespaced ? `/namespaces/${namespace}` : '';
  const url = `${root}${scope}/${info.resource}${method === 'POST' ? '' : `/${name}`}${subresource && `/${subresource}`}`;
  const context = new Request({ method, url, headers: {}, remoteAddress: '127.0.0.1' }, clock);
  context.user = SELF;
  return { context, served, body: valueBody(undefined) };
}
