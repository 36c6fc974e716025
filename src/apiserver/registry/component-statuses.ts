import { errorMessage } from '../../lib/errors.ts';
import { notFound } from '../../api/status.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { ComponentStatus } from '../../api/types.gen.ts';
import { Entry } from '../watch/entry.ts';
import type { Call, Registry, Result } from './registry.ts';

/**
 * The deprecated `componentstatuses`: never stored, made when asked for. Upstream also asks the scheduler and the controller manager on
 * their fixed local ports; of them this server knows nothing.
 */
export async function componentStatuses(registry: Registry, { served: { info }, context }: Call): Promise<Result> {
  const etcd = viewOf(await storeStatus(registry));
  if (context.info.verb === 'list') return { kind: 'list', info, items: [etcd], revision: registry.cache.revision };
  if (context.info.name !== etcd.name) throw notFound(info.resource, info.group, context.info.name);
  return { kind: 'object', status: 200, info, view: etcd };
}

const STORE = 'etcd-0';

async function storeStatus({ storage }: Registry): Promise<ComponentStatus> {
  const metadata = { name: STORE };
  try {
    await storage.currentRevision();
    return { kind: 'ComponentStatus', apiVersion: 'v1', metadata, conditions: [{ type: 'Healthy', status: 'True', message: 'ok' }] };
  } catch (error) {
    return {
      kind: 'ComponentStatus',
      apiVersion: 'v1',
      metadata,
      conditions: [{ type: 'Healthy', status: 'False', error: errorMessage(error) }],
    };
  }
}

function viewOf(status: ComponentStatus): Entry {
  const stored = Buffer.from(JSON.stringify(status));
  return new Entry({ key: '', namespace: '', name: STORE, revision: 0, stored }, () => structuredClone(status) as unknown as KubeObject);
}
