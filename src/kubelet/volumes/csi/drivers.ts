/** The CSI drivers that have registered with this kubelet. */
import type { Client } from '../../../client/client.ts';
import type { Plugin, PluginHandler } from '../../plugins/registry.ts';
import { VolumeError } from '../payload.ts';
import type { DriverClient } from './driver-client.ts';
import { CsiNodeObject } from './node-object.ts';

export interface Drivers extends PluginHandler {
  /** Throws VolumeError where no such driver has registered. */
  get(name: string): DriverClient;
  /** Makes the node's CSINode; the Node must be registered. */
  announce(): Promise<void>;
  close(): void;
}

/** `changed` is called when a driver came: volumes may have waited for it. */
export function createDrivers({ client, nodeName, changed }: { client: Client; nodeName: string; changed: () => void }): Drivers {
  const drivers = new Map<string, DriverClient>();
  const node = new CsiNodeObject(client, nodeName);
  const forget = (name: string): void => {
    drivers.get(name)?.close();
    drivers.delete(name);
  };
  return {
    get(name) {
      const driver = drivers.get(name);
      if (!driver) throw new VolumeError(`kubernetes.io/csi: driver name ${name} not found in the list of registered CSI drivers`);
      return driver;
    },
    announce: () => node.ensure(),
    async register({ name, endpoint, versions }: Plugin) {
      if (!versions.some((version) => version.replace(/^v/, '').startsWith('1.')))
        throw new Error(
          `failed to get highest supported version for CSI driver ${name}: none of the CSI versions reported by this driver are supported`,
        );
      const { connectDriver } = await import('./driver-client.ts');
      const driver = await connectDriver(endpoint);
      try {
        const { nodeId, maxVolumesPerNode, accessibleTopology } = driver.info;
        await node.add({ name, nodeId, maxVolumes: maxVolumesPerNode, topology: accessibleTopology?.segments ?? {} });
      } catch (error) {
        driver.close();
        throw error;
      }
      forget(name);
      drivers.set(name, driver);
      changed();
    },
    async deregister(name) {
      forget(name);
      await node.remove(name);
    },
    close() {
      for (const name of drivers.keys()) forget(name);
    },
  };
}
