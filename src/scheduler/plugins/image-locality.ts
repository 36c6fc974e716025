import { MAX_SCORE, type SchedulingPlugin } from '../framework.ts';

const MIB = 1024 * 1024;
const LEAST = 23 * MIB;
const MOST_PER_CONTAINER = 1000 * MIB;

/** Prefers nodes that hold the pod's images already, the more the bigger they are and the more nodes have them (so that one node does not draw all). */
export const imageLocality: SchedulingPlugin = {
  name: 'ImageLocality',
  begin({ pod }, snapshot) {
    const names = [...(pod.spec!.initContainers ?? []), ...pod.spec!.containers].map(({ image }) => normalised(image ?? ''));
    const { nodes } = snapshot;
    const spread = new Map(names.map((name) => [name, snapshot.nodesWithImage(name) / Math.max(nodes.length, 1)]));
    if ([...spread.values()].every((share) => share === 0 || share === 1)) return undefined;
    const most = MOST_PER_CONTAINER * names.length;
    return {
      score: (node) => {
        const bytes = names.reduce((sum, name) => sum + (node.images.get(name) ?? 0) * spread.get(name)!, 0);
        return Math.floor((MAX_SCORE * (Math.min(Math.max(bytes, LEAST), most) - LEAST)) / (most - LEAST));
      },
    };
  },
  wakesOn: () => false,
};

/** Node status lists full names with a tag. */
function normalised(image: string): string {
  return image.lastIndexOf(':') > image.lastIndexOf('/') || image.includes('@') ? image : `${image}:latest`;
}
