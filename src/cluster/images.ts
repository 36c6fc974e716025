import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { NODES } from '../client/resources.ts';
import { withApi } from './api.ts';
import type { ClusterContext } from './context.ts';
import { openDriver } from './drivers/choose.ts';
import type { Profile } from './profile.ts';

export interface NodeImage {
  names: string[];
  sizeBytes: number;
}

/** Loads one image: a file is taken for an archive, anything else for the name of an image of the engine. The names that the node has now. */
export async function loadImage(image: string, profile: Profile, context: ClusterContext): Promise<string[]> {
  const driver = await openDriver(profile.driver, context);
  const isFile = await stat(image).then(
    (found) => found.isFile(),
    () => false,
  );
  const archive = isFile ? createReadStream(image) : await driver.exportImage(image, context.signal);
  return driver.importImage(profile, archive, context.signal);
}

/** What the kubelet reports in the node's status: the largest first, fifty at most, as upstream's does. */
export async function listImages(profile: Profile, context: ClusterContext): Promise<NodeImage[]> {
  const node = await withApi(profile, context, (client) => client.resource(NODES).get(profile.name));
  return (node.status?.images ?? []).map(({ names, sizeBytes }) => ({ names: names ?? [], sizeBytes: sizeBytes ?? 0 }));
}
