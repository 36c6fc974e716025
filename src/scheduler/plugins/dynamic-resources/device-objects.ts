/** The collections that dynamic resource allocation reads, watched from the first pod that has a resource claim. */
import type { Device, DeviceClass, ResourceSlice, ResourceV1ResourceClaim as ResourceClaim } from '../../../api/types.gen.ts';
import type { Client } from '../../../client/client.ts';
import type { Informer } from '../../../client/informer.ts';
import { DEVICE_CLASSES, RESOURCE_CLAIMS, RESOURCE_SLICES } from '../../../client/resources.ts';
import type { ClusterEvent } from '../../framework.ts';

/** Whether a device of a driver satisfies a CEL expression. Throws Error when it cannot be told. */
export type DeviceMatcher = (expression: string, driver: string, device: Device) => boolean;

export interface DeviceObjects {
  client: Client;
  claims: Informer<ResourceClaim>;
  classes: Informer<DeviceClass>;
  slices: Informer<ResourceSlice>;
  readonly synced: boolean;
  /** CEL is loaded when devices are first spoken of. Only after `start`. */
  readonly matches: DeviceMatcher;
  /** Counts changes of slices: what was worked out of them holds while it stays. */
  readonly slicesVersion: number;
  /** Resolves when all hold their first list; then `onEvent` is told of every change. */
  start(onEvent: (event: ClusterEvent) => void): Promise<void>;
  stop(): void;
}

export function deviceObjects(client: Client): DeviceObjects {
  const claims = client.informer(RESOURCE_CLAIMS);
  const classes = client.informer(DEVICE_CLASSES);
  const slices = client.informer(RESOURCE_SLICES);
  const unsubscribe: (() => void)[] = [];
  let matcher: DeviceMatcher | undefined;
  let slicesVersion = 0;
  return {
    client,
    claims,
    classes,
    slices,
    get synced() {
      return matcher !== undefined && claims.synced && classes.synced && slices.synced;
    },
    get matches() {
      if (!matcher) throw new Error('device selectors were asked before they were loaded');
      return matcher;
    },
    get slicesVersion() {
      return slicesVersion;
    },
    start: async (onEvent) => {
      const [{ deviceMatcher }] = await Promise.all([import('./selectors.ts'), claims.start(), classes.start(), slices.start()]);
      if (matcher) return;
      matcher = deviceMatcher();
      const tellOf = (resource: ClusterEvent['resource']) => {
        const tell = (action: ClusterEvent['action']) => (): void => {
          if (resource === 'ResourceSlice') slicesVersion++;
          onEvent({ resource, action });
        };
        return { added: tell('add'), updated: tell('update'), deleted: tell('delete') };
      };
      unsubscribe.push(
        claims.subscribe(tellOf('ResourceClaim')),
        classes.subscribe(tellOf('DeviceClass')),
        slices.subscribe(tellOf('ResourceSlice')),
      );
    },
    stop: () => {
      for (const each of unsubscribe.splice(0)) each();
    },
  };
}
