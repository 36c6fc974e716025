import { errorMessage } from '../../lib/errors.ts';
import { notFound } from '../../api/status.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { ComponentStatus } from '../../api/types.gen.ts';
import { Entry } from '../watch/entry.ts';
import type { Call, Registry, Result } from './registry.ts';

/** Rejects with what is wrong with a component. */
export type ComponentCheck = () => Promise<void>;

/**
 * The deprecated `componentstatuses`: never stored, made when asked for. Of the store the server knows itself; of the scheduler and the
 * controller manager, which upstream asks on their fixed local ports, whoever runs them tells it.
 */
export async function componentStatuses(registry: Registry, { served: { info }, context }: Call): Promise<Result> {
  const checks = new Map<string, ComponentCheck>([
    ...(registry.components ?? []),
    [STORE, async () => void (await registry.storage.currentRevision())],
  ]);
  if (context.info.verb === 'list') {
    const names = [...checks.keys()].toSorted();
    const items = await Promise.all(names.map((name) => statusOf(name, checks.get(name)!)));
    return { kind: 'list', info, items, revision: registry.cache.revision };
  }
  const check = checks.get(context.info.name);
  if (!check) throw notFound(info.resource, info.group, context.info.name);
  return { kind: 'object', status: 200, info, view: await statusOf(context.info.name, check) };
}

const STORE = 'etcd-0';

async function statusOf(name: string, check: ComponentCheck): Promise<Entry> {
  const metadata = { name };
  try {
    await check();
    return viewOf({
      kind: 'ComponentStatus',
      apiVersion: 'v1',
      metadata,
      conditions: [{ type: 'Healthy', status: 'True', message: 'ok' }],
    });
  } catch (error) {
    const conditions = [{ type: 'Healthy', status: 'False', error: errorMessage(error) }];
    return viewOf({ kind: 'ComponentStatus', apiVersion: 'v1', metadata, conditions });
  }
}

function viewOf(status: ComponentStatus): Entry {
  const stored = Buffer.from(JSON.stringify(status));
  const { name = '' } = status.metadata;
  return new Entry({ key: '', namespace: '', name, revision: 0, stored }, () => structuredClone(status) as unknown as KubeObject);
}
