import type { Pod, Volume } from '../../api/types.gen.ts';
import type { Rejection, SchedulingPlugin } from '../framework.ts';
import type { PodInfo } from '../snapshot.ts';
import { everywhere, type VolumeObjects } from './volume-objects.ts';
import { splitKey } from '../../api/meta.ts';

const DISK_CONFLICT: Rejection = { code: 'Unschedulable', reasons: ['node(s) had no available disk'] };
const CLAIM_CONFLICT: Rejection = {
  code: 'Unschedulable',
  reasons: ['node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode'],
};

/** A disk that two pods of a node must not share; `mayShare`: unless both only read. */
interface Disk {
  id: string;
  readOnly: boolean;
  mayShare: boolean;
}

/**
 * Volumes of GCE, AWS, iSCSI and RBD that pods name themselves are mounted once a node, and a claim of mode ReadWriteOncePod has one pod in
 * the cluster.
 */
export function volumeRestrictions({ claims }: VolumeObjects): SchedulingPlugin {
  return {
    name: 'VolumeRestrictions',
    begin({ key: own, pod, claims: keys }, snapshot) {
      const missing = keys.find((key) => !claims.get(key));
      if (missing !== undefined) return everywhere(`persistentvolumeclaim "${splitKey(missing).name}" not found`);
      const exclusive = keys.filter((key) => claims.get(key)!.spec?.accessModes?.includes('ReadWriteOncePod'));
      const disks = disksOf(pod);
      const taken = exclusive.some((key) => snapshot.claimUsers(key) > 0);
      if (!taken && disks.length === 0) return undefined;
      return {
        filter: (node) => {
          if (disks.length > 0 && [...node.pods.values()].some((other) => other.key !== own && clash(disks, other))) return DISK_CONFLICT;
          return taken ? CLAIM_CONFLICT : undefined;
        },
      };
    },
    wakesOn: ({ resource, action, pod }, waiting) => {
      if (resource === 'AssignedPod') return action === 'delete' && pod !== undefined && shares(pod, waiting);
      return (resource === 'Node' && action === 'add') || (resource === 'PersistentVolumeClaim' && action !== 'delete');
    },
  };
}

const shares = (gone: PodInfo, waiting: PodInfo): boolean =>
  gone.claims.some((key) => waiting.claims.includes(key)) || clash(disksOf(waiting.pod), gone);

function clash(disks: readonly Disk[], { pod }: PodInfo): boolean {
  const others = disksOf(pod);
  return disks.some((disk) =>
    others.some((other) => other.id === disk.id && !(disk.mayShare && other.mayShare && disk.readOnly && other.readOnly)),
  );
}

function disksOf({ spec }: Pod): Disk[] {
  return (spec!.volumes ?? []).flatMap(diskOf);
}

function diskOf(volume: Volume): Disk[] {
  const { gcePersistentDisk: gce, awsElasticBlockStore: aws, iscsi, rbd } = volume;
  const disk = (id: string, readOnly: boolean | undefined, mayShare: boolean): Disk => ({ id, readOnly: readOnly ?? false, mayShare });
  if (gce) return [disk(`gce/${gce.pdName}`, gce.readOnly, true)];
  if (aws) return [disk(`aws/${aws.volumeID}`, aws.readOnly, false)];
  if (iscsi) return [disk(`iscsi/${iscsi.iqn}`, iscsi.readOnly, true)];
  if (!rbd) return [];
  return rbd.monitors.map((monitor) => disk(`rbd/${monitor}/${rbd.pool ?? 'rbd'}/${rbd.image}`, rbd.readOnly, true));
}
