/** What pod workers work with: the doors to the API, the runtime and the node. */
import type { Service } from '../../api/types.gen.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Rng } from '../../lib/random.ts';
import type { Backoff } from '../containers/backoff.ts';
import type { PodDevices } from '../devices/manager.ts';
import type { ImagePuller } from '../images/puller.ts';
import type { ProbeManager } from '../probes/manager.ts';
import type { ContainerRuntime } from '../runtime/runtime.ts';
import type { VolumeManager } from '../volumes/manager.ts';
import type { WatchedObjects } from '../volumes/objects.ts';
import type { Cgroups } from './cgroups.ts';
import type { DnsSettings } from './dns.ts';
import type { RuntimeCache } from './runtime-cache.ts';
import type { StatusWriter } from './status-writer.ts';

export interface PodServices {
  client: Client;
  clock: Clock;
  log: Logger;
  rng: Rng;
  events: EventRecorder;
  runtime: ContainerRuntime;
  cache: RuntimeCache;
  volumes: VolumeManager;
  devices: PodDevices;
  objects: WatchedObjects;
  images: ImagePuller;
  probes: ProbeManager;
  cgroups: Cgroups;
  restarts: Backoff;
  status: StatusWriter;
  dns: DnsSettings;
  node: NodeView;
  /** Services for the environment of containers. */
  services(namespace: string): readonly Service[];
}

export interface NodeView {
  name: string;
  ips: readonly string[];
  /** `containerd`: the scheme of container ids. */
  runtimeName(): string;
  /** Why no pod network can be made now, or undefined. */
  networkProblem(): string | undefined;
  allocatable: Readonly<Record<string, string>>;
  memoryCapacity: number;
  podLogsDir: string;
  /** `/var/lib/kubelet/seccomp` */
  seccompDir: string;
}
