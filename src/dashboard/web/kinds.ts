import type { ObjectWithMeta } from '../../api/meta.ts';
import type { Printer } from '../../api/table/columns.ts';
import { configMaps, events, namespaces, nodes, secrets } from '../../api/table/core.ts';
import { ingresses, services } from '../../api/table/network.ts';
import { pods } from '../../api/table/pods.ts';
import { persistentVolumeClaims, persistentVolumes } from '../../api/table/storage.ts';
import { cronJobs, daemonSets, deployments, jobs, replicaSets, statefulSets } from '../../api/table/workloads.ts';
import type { ResourceType } from '../../client/client.ts';
import * as types from '../../client/resources.ts';

export type Action = 'scale' | 'restart' | 'delete';

/** A kind that the page shows. Its columns and cells are those of `kubectl get -o wide`. */
export interface Kind {
  type: ResourceType<ObjectWithMeta>;
  /** `Deployments` */
  title: string;
  printer: Printer<ObjectWithMeta>;
  /** Of the printer's columns, those that the list shows after the name. */
  columns: readonly string[];
  actions: readonly Action[];
  /** How it finds its pods. */
  hasPods: boolean;
}

export const GROUPS: readonly { title: string; kinds: readonly Kind[] }[] = [
  {
    title: 'Workloads',
    kinds: [
      kind(
        types.DEPLOYMENTS,
        'Deployments',
        deployments,
        'Ready, Up-to-date, Available, Age, Images',
        ['scale', 'restart', 'delete'],
        true,
      ),
      kind(types.REPLICA_SETS, 'ReplicaSets', replicaSets, 'Desired, Current, Ready, Age, Images', ['scale', 'delete'], true),
      kind(types.STATEFUL_SETS, 'StatefulSets', statefulSets, 'Ready, Age, Images', ['scale', 'restart', 'delete'], true),
      kind(types.DAEMON_SETS, 'DaemonSets', daemonSets, 'Desired, Ready, Available, Age, Images', ['restart', 'delete'], true),
      kind(types.JOBS, 'Jobs', jobs, 'Status, Completions, Duration, Age, Images', ['delete'], true),
      kind(types.CRON_JOBS, 'CronJobs', cronJobs, 'Schedule, Suspend, Active, Last Schedule, Age', ['delete']),
      kind(types.PODS, 'Pods', pods, 'Ready, Status, Restarts, Age, IP, Node', ['delete']),
    ],
  },
  {
    title: 'Network',
    kinds: [
      kind(types.SERVICES, 'Services', services, 'Type, Cluster-IP, External-IP, Port(s), Age', ['delete'], true),
      kind(types.INGRESSES, 'Ingresses', ingresses, 'Class, Hosts, Address, Ports, Age', ['delete']),
    ],
  },
  {
    title: 'Config and storage',
    kinds: [
      kind(types.CONFIG_MAPS, 'ConfigMaps', configMaps, 'Data, Age', ['delete']),
      kind(types.SECRETS, 'Secrets', secrets, 'Type, Data, Age', ['delete']),
      kind(
        types.PERSISTENT_VOLUME_CLAIMS,
        'Volume claims',
        persistentVolumeClaims,
        'Status, Volume, Capacity, Access Modes, StorageClass, Age',
        ['delete'],
      ),
    ],
  },
  {
    title: 'Cluster',
    kinds: [
      kind(types.NODES, 'Nodes', nodes, 'Status, Roles, Age, Version, Internal-IP, Container-Runtime', []),
      kind(types.NAMESPACES, 'Namespaces', namespaces, 'Status, Age', ['delete']),
      kind(types.PERSISTENT_VOLUMES, 'Volumes', persistentVolumes, 'Capacity, Reclaim Policy, Status, Claim, StorageClass, Age', [
        'delete',
      ]),
      kind(types.EVENTS, 'Events', events, 'Last Seen, Type, Reason, Object, Message', []),
    ],
  },
];

const BY_RESOURCE = new Map(GROUPS.flatMap(({ kinds }) => kinds.map((each) => [each.type.resource, each] as const)));
const BY_KIND = new Map([...BY_RESOURCE.values()].map((each) => [each.type.kind, each]));

/** By `pods`, `deployments` …; undefined when the page does not show it. */
export const kindOf = (resource: string): Kind | undefined => BY_RESOURCE.get(resource);
/** By `Pod`, `Deployment` … */
export const kindNamed = (name: string): Kind | undefined => BY_KIND.get(name);

function kind<T extends ObjectWithMeta>(
  type: ResourceType<T>,
  title: string,
  printer: Printer<T>,
  columns: string,
  actions: readonly Action[],
  hasPods = false,
): Kind {
  return { type, title, printer, columns: columns.split(', '), actions, hasPods };
}
