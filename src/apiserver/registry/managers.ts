import { trackUpdate } from '../../api/apply/track.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { WriteOptions } from './options.ts';
import type { Call, Registry } from './registry.ts';

export interface TrackedWrite {
  call: Call;
  /** What the client meant: decoded and defaulted, before admission and preparation. */
  object: KubeObject;
  live: KubeObject | undefined;
  options: WriteOptions;
}

/** The object with metadata.managedFields as they are after this write. An apply has seen to them itself. */
export function trackManager({ clock }: Registry, { call, object, live, options }: TrackedWrite): KubeObject {
  if (options.applied) return object;
  return trackUpdate({
    info: call.served.stored,
    live,
    updated: object,
    manager: options.fieldManager,
    subresource: call.context.info.subresource,
    now: clock.now(),
  });
}
