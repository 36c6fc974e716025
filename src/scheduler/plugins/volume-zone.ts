import { splitKey } from '../../api/meta.ts';
import type { PersistentVolume, Pod } from '../../api/types.gen.ts';
import type { PluginCycle, Rejection, SchedulingPlugin } from '../framework.ts';
import { classNameOf, everywhere, type VolumeObjects } from './volume-objects.ts';

const CONFLICT: Rejection = { code: 'UnschedulableAndUnresolvable', reasons: ['node(s) had no available volume zone'] };
/** Today's name of each label that volumes and nodes of old clusters carry. */
const TODAY: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
};
const LABELS = [...Object.keys(TODAY), ...Object.values(TODAY)];

interface Wanted {
  label: string;
  values: ReadonlySet<string>;
}

/** Pods whose bound volumes are labelled with zones go to nodes of those zones; nodes without such labels take any. */
export function volumeZone(objects: VolumeObjects): SchedulingPlugin {
  return {
    name: 'VolumeZone',
    begin({ claims }) {
      const wanted: Wanted[] = [];
      for (const key of claims) {
        const refused = collect(key, objects, wanted);
        if (refused) return refused;
      }
      return wanted.length === 0 ? undefined : { filter: (node) => (isInZones(node.labels, wanted) ? undefined : CONFLICT) };
    },
    wakesOn: ({ resource, action }) =>
      (resource === 'Node' && action !== 'delete') ||
      resource === 'PersistentVolumeClaim' ||
      resource === 'PersistentVolume' ||
      (resource === 'StorageClass' && action === 'add'),
  };
}

function collect(key: string, { claims, volumes, classes }: VolumeObjects, wanted: Wanted[]): PluginCycle | undefined {
  const { name } = splitKey(key);
  const claim = claims.get(key);
  if (!claim) return everywhere(`persistentvolumeclaim "${name}" not found`);
  const volumeName = claim.spec?.volumeName;
  if (!volumeName) {
    const className = classNameOf(claim);
    if (!className) return everywhere('PersistentVolumeClaim had no pv name and storageClass name');
    if (classes.get(className)?.volumeBindingMode === 'WaitForFirstConsumer') return undefined;
    return everywhere('PersistentVolume had no name');
  }
  const volume = volumes.get(volumeName);
  if (!volume) return everywhere(`persistentvolume "${volumeName}" not found`);
  wanted.push(...zonesOf(volume));
  return undefined;
}

/** `a__b` stands for either of two zones. */
function zonesOf({ metadata }: PersistentVolume): Wanted[] {
  return LABELS.flatMap((label) => {
    const value = metadata.labels?.[label];
    return value === undefined ? [] : [{ label, values: new Set(value.split('__').map((zone) => zone.trim())) }];
  });
}

function isInZones(labels: NonNullable<Pod['metadata']['labels']>, wanted: readonly Wanted[]): boolean {
  if (!LABELS.some((label) => label in labels)) return true;
  return wanted.every(({ label, values }) => {
    const actual = labels[label] ?? labels[TODAY[label] ?? ''];
    return actual !== undefined && values.has(actual);
  });
}
