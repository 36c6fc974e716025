/** The images of a simulated node: which exist, which were pulled, what each models. */
import { createHash } from 'node:crypto';
import { normalizeImageName } from '../../images/names.ts';
import { type ImageInfo, RuntimeError } from '../runtime.ts';
import { CATALOGUE } from './catalogue/catalogue.ts';
import type { CatalogueEntry, ImageModel } from './model.ts';

export interface SimImage {
  info: ImageInfo;
  model: ImageModel;
  /** Fully qualified with tag. */
  name: string;
  /** The read-only layer, made when first asked for. */
  files(): Readonly<Record<string, string>>;
}

export interface SimImages {
  /** Throws RuntimeError in containerd's words for a tag that does not exist. */
  pull(reference: string): Promise<SimImage>;
  /** By name, id or digest; undefined until it was pulled. */
  find(reference: string): SimImage | undefined;
  list(): SimImage[];
  remove(reference: string): void;
}

export interface SimImagesOptions {
  /** The users' own models, asked for at each pull: they come before the built-in ones. */
  own?: () => Promise<readonly CatalogueEntry[]>;
  /** What an image is that no model fits. */
  unknown: (name: string) => ImageModel;
}

export function createSimImages({ own, unknown }: SimImagesOptions): SimImages {
  const byName = new Map<string, SimImage>();
  const byId = new Map<string, SimImage>();

  async function modelOf(name: string): Promise<ImageModel> {
    const { repository, tag } = split(name);
    const entries = own ? [...(await own()), ...CATALOGUE] : CATALOGUE;
    const entry = entries.find(({ repositories }) => repositories.includes(repository));
    if (!entry) return unknown(name);
    const model = await entry.load();
    if (tag !== undefined && !model.hasTag(tag)) throw notFound(name);
    return model;
  }

  return {
    async pull(reference) {
      const name = normalizeImageName(reference);
      const known = byName.get(name);
      if (known && !own) return known;
      const model = await modelOf(name);
      let files: Readonly<Record<string, string>> | undefined;
      const image: SimImage = { name, model, info: infoOf(name, model), files: () => (files ??= model.files?.() ?? {}) };
      byName.set(name, image);
      byId.set(image.info.id, image);
      return image;
    },
    find: (reference) =>
      byId.get(reference) ??
      byName.get(reference) ??
      byName.get(normalizeImageName(reference)) ??
      [...byName.values()].find(({ info }) => info.digests.includes(reference)),
    list: () => [...byName.values()],
    remove(reference) {
      const image = this.find(reference);
      if (!image) return;
      byName.delete(image.name);
      byId.delete(image.info.id);
    },
  };
}

/** The digest is made of the name: the same on every machine, and of nothing real. */
function infoOf(name: string, { sizeBytes, user }: ImageModel): ImageInfo {
  const digest = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;
  const { repository, tag } = split(name);
  return {
    id: digest(name),
    tags: tag === undefined ? [] : [name],
    digests: [`${repository}@${tag === undefined ? name.slice(name.indexOf('@') + 1) : digest(`manifest of ${name}`)}`],
    sizeBytes,
    pinned: false,
    ...(user?.uid === undefined ? {} : { uid: user.uid }),
    ...(user?.name === undefined ? {} : { username: user.name }),
  };
}

/** Without a tag when a digest names the image. */
function split(name: string): { repository: string; tag?: string } {
  const at = name.indexOf('@');
  if (at >= 0) return { repository: name.slice(0, at).replace(/:[\w.-]+$/, '') };
  const colon = name.lastIndexOf(':');
  return { repository: name.slice(0, colon), tag: name.slice(colon + 1) };
}

function notFound(name: string): RuntimeError {
  return new RuntimeError(
    'NotFound',
    `failed to pull and unpack image "${name}": failed to resolve reference "${name}": ${name}: not found`,
  );
}
