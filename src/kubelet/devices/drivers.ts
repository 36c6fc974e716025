/** The DRA drivers of this node that have registered themselves (KEP-4381, "kubelet to resource driver"). */
import type { Connection } from '../runtime/cri/connection.ts';
import type { Plugin, PluginHandler } from '../plugins/registry.ts';
import { type DraVersion, nodePrepareResources, nodeUnprepareResources, VERSIONS } from './messages.ts';

export interface ClaimIdentity {
  namespace: string;
  name: string;
  uid: string;
}

/** A device that a driver has made ready. */
export interface PreparedDevice {
  /** The requests of the claim that it serves; none: all of them. */
  requests: readonly string[];
  pool: string;
  device: string;
  /** Fully qualified (`vendor.com/gpu=gpu0`), for the container runtime. */
  cdiDevices: readonly string[];
}

export interface DeviceDrivers extends PluginHandler {
  /** Makes the devices of one claim ready. Safe to repeat. Throws Error when the driver is not there or refuses. */
  prepare(driver: string, claim: ClaimIdentity): Promise<PreparedDevice[]>;
  /** The opposite; also safe to repeat. */
  unprepare(driver: string, claim: ClaimIdentity): Promise<void>;
  close(): void;
}

const DEADLINE_MS = 45_000;

export function createDeviceDrivers(changed: () => void): DeviceDrivers {
  const drivers = new Map<string, { plugin: Plugin; version: DraVersion; connection?: Connection }>();

  const connected = async (name: string): Promise<{ connection: Connection; version: DraVersion }> => {
    const driver = drivers.get(name);
    if (!driver) throw new Error(`DRA driver ${name} is not registered`);
    if (!driver.connection) {
      // grpc is loaded with the first claim; most nodes have none
      const { connectUnix } = await import('../runtime/cri/connection.ts');
      driver.connection = connectUnix(driver.plugin.endpoint);
    }
    return { connection: driver.connection, version: driver.version };
  };
  const drop = (name: string): void => {
    drivers.get(name)?.connection?.close();
    drivers.delete(name);
  };

  return {
    register: (plugin) => {
      const version = VERSIONS.find((each) => plugin.versions.includes(`${each}.DRAPlugin`));
      if (!version)
        return Promise.reject(new Error(`none of the DRA gRPC API services are supported by the kubelet: ${plugin.versions.join(', ')}`));
      drop(plugin.name);
      drivers.set(plugin.name, { plugin, version });
      // Pods may have waited for it.
      changed();
      return Promise.resolve();
    },
    deregister: (name) => Promise.resolve(drop(name)),
    prepare: async (name, claim) => {
      const { connection, version } = await connected(name);
      const { claims } = await connection.call(nodePrepareResources(version), { claims: [claim] }, { deadlineMs: DEADLINE_MS });
      const answer = claims.find(({ key }) => key === claim.uid)?.value;
      if (!answer) throw new Error(`NodePrepareResources left out claim ${claim.namespace}/${claim.name}`);
      if (answer.error) throw new Error(`NodePrepareResources failed for claim ${claim.namespace}/${claim.name}: ${answer.error}`);
      return answer.devices.map(({ requestNames, poolName, deviceName, cdiDeviceIds }) => ({
        requests: requestNames,
        pool: poolName,
        device: deviceName,
        cdiDevices: cdiDeviceIds,
      }));
    },
    unprepare: async (name, claim) => {
      const { connection, version } = await connected(name);
      const { claims } = await connection.call(nodeUnprepareResources(version), { claims: [claim] }, { deadlineMs: DEADLINE_MS });
      const answer = claims.find(({ key }) => key === claim.uid)?.value;
      if (!answer) throw new Error(`NodeUnprepareResources left out claim ${claim.namespace}/${claim.name}`);
      if (answer.error) throw new Error(`NodeUnprepareResources failed for claim ${claim.namespace}/${claim.name}: ${answer.error}`);
    },
    close: () => {
      for (const name of drivers.keys()) drop(name);
    },
  };
}
