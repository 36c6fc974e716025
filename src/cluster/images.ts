import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { NODES } from '../client/resources.ts';
import { withApi } from './api.ts';
import type { ClusterContext } from './context.ts';
import { openDriver } from './drivers/choose.ts';
import type { Profile } from './profile.ts';
import { failure } from './reasons.ts';

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

/** Builds an image from its recipe in this installation's images/ and loads it. Throws IMAGE_NOT_FOUND for a name without a recipe. */
export async function buildAndLoad(name: string, profile: Profile, context: ClusterContext): Promise<string[]> {
  const { buildImage, readRecipe, recipeNames, recipePath } = await import('./image/debian-image.ts');
  const known = await recipeNames(context.packageRoot);
  if (!known.includes(name)) throw failure('IMAGE_NOT_FOUND', `there is no recipe for "${name}"; there are ${known.join(', ')}`);
  const driver = await openDriver(profile.driver, context);
  const { source, arch } = await driver.packages();
  context.progress.step('image', `Building ${name} from ${source.description}`);
  const archive = await buildImage(await readRecipe(recipePath(context.packageRoot, name)), { source, arch, signal: context.signal });
  return driver.importImage(profile, Readable.from([archive]), context.signal);
}

/** What the kubelet reports in the node's status: the largest first, fifty at most, as upstream's does. */
export async function listImages(profile: Profile, context: ClusterContext): Promise<NodeImage[]> {
  const node = await withApi(profile, context, (client) => client.resource(NODES).get(profile.name));
  return (node.status?.images ?? []).map(({ names, sizeBytes }) => ({ names: names ?? [], sizeBytes: sizeBytes ?? 0 }));
}
