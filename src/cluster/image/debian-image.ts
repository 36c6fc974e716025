/** Container images of Debian packages: a recipe (images/NAME/image.yaml) to an archive that `rockpool image load` takes. */
import { readFile, readdir, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { parse } from 'yaml';
import { errorMessage } from '../../lib/errors.ts';
import { readIfExists } from '../files.ts';
import { failure } from '../reasons.ts';
import type { PackageSource } from './apt.ts';
import { imageArchive } from './archive.ts';
import type { ImageConfig } from './archive.ts';
import type { TarEntry } from './deb.ts';
import type { DebianArch } from './packages.ts';
import { rootfsTar } from './rootfs.ts';
import { directory, file, symlink } from './tar-writer.ts';

export interface ImageRecipe {
  names: readonly string[];
  packages: readonly string[];
  directories: readonly string[];
  /** Path in the image to the path that it points to. */
  links: Readonly<Record<string, string>>;
  config: ImageConfig;
  /** Files of the recipe's folder `rootfs/`, laid over the packages. */
  overlay: readonly TarEntry[];
}

export interface BuildOptions {
  source: PackageSource;
  arch: DebianArch;
  signal: AbortSignal;
}

/** Reads images/NAME/image.yaml. Throws IMAGE_BUILD naming the file. */
export async function readRecipe(path: string): Promise<ImageRecipe> {
  try {
    const value = parse(await readFile(path, 'utf8')) as Partial<ImageRecipe> | null;
    if (!value || !Array.isArray(value.names) || !Array.isArray(value.packages)) throw new TypeError('`names` and `packages` are required');
    const overlay = await readOverlay(join(dirname(path), 'rootfs'));
    return {
      names: value.names,
      packages: value.packages,
      directories: value.directories ?? [],
      links: value.links ?? {},
      config: value.config ?? {},
      overlay,
    };
  } catch (error) {
    throw failure('IMAGE_BUILD', `${path}: ${errorMessage(error)}`, { cause: error });
  }
}

/** The image as `docker save` would write it. */
export async function buildImage(recipe: ImageRecipe, { source, arch, signal }: BuildOptions): Promise<Buffer> {
  const packages = await source.fetch(recipe.packages, arch, signal);
  const extra = [
    ...recipe.directories.map((path) => directory(path)),
    ...Object.entries(recipe.links).map(([path, target]) => symlink(path, target)),
    ...recipe.overlay,
  ];
  const layer: Buffer[] = [];
  for await (const piece of rootfsTar({ packages, extra, signal })) layer.push(piece);
  return imageArchive({ names: recipe.names, arch, config: recipe.config }, Buffer.concat(layer));
}

/** Names of the images that this installation has recipes for. */
export async function recipeNames(packageRoot: string): Promise<string[]> {
  const entries = await readdir(join(packageRoot, 'images'), { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async ({ name }) => ((await readIfExists(recipePath(packageRoot, name))) === undefined ? [] : [name])),
  );
  return found.flat().toSorted();
}

export function recipePath(packageRoot: string, name: string): string {
  return join(packageRoot, 'images', name, 'image.yaml');
}

async function readOverlay(root: string): Promise<TarEntry[]> {
  const exists = await stat(root).then(
    () => true,
    () => false,
  );
  if (!exists) return [];
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry) => {
      const at = join(entry.parentPath, entry.name);
      const path = relative(root, at).replaceAll('\\', '/');
      if (entry.isDirectory()) return directory(path);
      return file(path, await readFile(at), ((await stat(at)).mode & 0o111) === 0 ? 0o644 : 0o755);
    }),
  );
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}
