import type { KubeObject } from '../../api/meta.ts';
import type { WriteOptions } from './options.ts';
import type { Call, Registry } from './registry.ts';

/** The object with metadata.managedFields as they are after this write. */
export function trackManager(_registry: Registry, { object }: { call: Call; object: KubeObject; live: KubeObject | undefined; options: WriteOptions }): KubeObject {
  return object;
}
