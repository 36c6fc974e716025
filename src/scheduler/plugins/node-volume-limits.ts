import type { Rejection, SchedulingPlugin } from '../framework.ts';
import type { NodeInfo, PodInfo } from '../snapshot.ts';
import { classNameOf, type VolumeObjects } from './volume-objects.ts';

const FULL: Rejection = { code: 'Unschedulable', reasons: ['node(s) exceed max volume count'] };

/** Volumes by an identity of their own, each with the driver that attaches it. */
type Attachable = ReadonlyMap<string, string>;

/** A node attaches as many volumes of a CSI driver as its CSINode says. */
export function nodeVolumeLimits(objects: VolumeObjects): SchedulingPlugin {
  return {
    name: 'NodeVolumeLimits',
    begin(pod) {
      const wanted = attachable([pod], objects);
      return wanted.size === 0 ? undefined : { filter: (node) => (hasRoom(node, wanted, objects) ? undefined : FULL) };
    },
    wakesOn: ({ resource, action, pod }) =>
      (resource === 'CSINode' && action !== 'delete') ||
      (resource === 'PersistentVolumeClaim' && action === 'add') ||
      (resource === 'VolumeAttachment' && action === 'delete') ||
      (resource === 'Node' && action === 'add') ||
      (resource === 'AssignedPod' && action === 'delete' && pod !== undefined && hasVolumes(pod)),
  };
}

const hasVolumes = ({ claims, pod }: PodInfo): boolean => claims.length > 0 || (pod.spec!.volumes ?? []).some(({ csi }) => csi);

function hasRoom(node: NodeInfo, wanted: Attachable, objects: VolumeObjects): boolean {
  const limits = new Map(
    (objects.csiNodes.get(node.name)?.spec.drivers ?? []).flatMap(({ name, allocatable }) =>
      allocatable?.count === undefined ? [] : [[name, allocatable.count] as const],
    ),
  );
  if (limits.size === 0) return true;
  const there = new Map(attachable([...node.pods.values()].filter(hasVolumes), objects));
  // What is still attached counts although its pod is gone.
  for (const { spec } of objects.attachments.list()) {
    const name = spec.nodeName === node.name ? spec.source.persistentVolumeName : undefined;
    const csi = name === undefined ? undefined : objects.volumes.get(name)?.spec?.csi;
    if (csi) there.set(`${csi.driver}/${csi.volumeHandle}`, csi.driver);
  }
  const newcomers = new Map<string, number>();
  for (const [id, driver] of wanted) if (!there.has(id)) newcomers.set(driver, (newcomers.get(driver) ?? 0) + 1);
  return [...newcomers].every(([driver, more]) => {
    const limit = limits.get(driver);
    return limit === undefined || [...there.values()].filter((each) => each === driver).length + more <= limit;
  });
}

function attachable(pods: readonly PodInfo[], objects: VolumeObjects): Attachable {
  const found = new Map<string, string>();
  for (const { claims } of pods) {
    for (const key of claims) {
      const volume = volumeOf(key, objects);
      if (volume) found.set(volume.id, volume.driver);
    }
  }
  return found;
}

/** A claim that has no volume yet counts as one of the driver that will provision it. */
function volumeOf(key: string, { claims, volumes, classes }: VolumeObjects): { id: string; driver: string } | undefined {
  const claim = claims.get(key);
  if (!claim) return undefined;
  const volume = claim.spec?.volumeName ? volumes.get(claim.spec.volumeName) : undefined;
  const csi = volume?.spec?.csi;
  if (csi) return { id: `${csi.driver}/${csi.volumeHandle}`, driver: csi.driver };
  if (volume) return undefined;
  const provisioner = classes.get(classNameOf(claim) ?? '')?.provisioner;
  if (!provisioner || provisioner === 'kubernetes.io/no-provisioner') return undefined;
  return { id: `${provisioner}/${key}`, driver: provisioner };
}
