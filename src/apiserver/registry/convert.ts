import { convertFromStorage, convertToStorage, isStoredForm } from '../../api/convert/convert.ts';
import { groupVersion, type KubeObject } from '../../api/meta.ts';
import type { CustomRules } from '../../api/schema/schema.ts';
import type { ServedResource } from '../resources.ts';
import { Entry, formOf, typeMetaLength, type ObjectView } from '../watch/entry.ts';

/**
 * From the version of the URL to the version whose rules apply, which is the stored one; with the defaults of a version of old, which are filled
 * in into `object` itself, unless only what somebody stated is wanted. Custom resources live in the version of the URL up to
 * the store itself, as upstream: their versions have rules of their own, and a webhook between them.
 */
export function toStored({ info }: ServedResource, object: KubeObject, { stated = false } = {}): KubeObject {
  if (info.custom) return object;
  if (!stated) info.legacy?.applyDefaults?.(object);
  return convertToStorage(info, object);
}

/** From the version whose rules apply to the version of the URL. */
export function fromStored({ info }: ServedResource, object: KubeObject): KubeObject {
  if (info.custom) return object;
  return convertFromStorage(info, object);
}

/** A stored object in the version of the URL; made once for each version and entry. */
export function viewOf({ info }: ServedResource, entry: Entry): ObjectView {
  if (info.custom) return customView(info.custom, entry);
  if (isStoredForm(info)) return entry;
  return entry.form(`as ${groupVersion(info)}`, () => new ConvertedView(() => convertFromStorage(info, entry.object)));
}

function customView(custom: CustomRules, entry: Entry): ObjectView {
  return entry.form(`as ${custom.key}`, () => {
    const object = custom.fromStorage(entry.object);
    return object === entry.object ? entry : new ConvertedView(() => object);
  });
}

/** An entry of the cache as the verbs of a custom resource's version see it; that of a built-in one itself. Throws StatusError. */
export async function liveForm({ info: { custom } }: ServedResource, entry: Entry): Promise<Entry> {
  if (!custom) return entry;
  await custom.prepare?.([entry.object]);
  const object = custom.fromStorage(entry.object);
  if (object === entry.object) return entry;
  const { key, namespace, name, revision } = entry;
  return new Entry({ key, namespace, name, revision, stored: entry.stored(), object }, parseJson);
}

function parseJson(stored: Uint8Array): KubeObject {
  return JSON.parse(Buffer.from(stored).toString()) as KubeObject;
}

/** An object that is not (or not so) in the cache, in the forms that readers ask for. */
export function valueView(object: KubeObject): ObjectView {
  return new ConvertedView(() => object);
}

class ConvertedView implements ObjectView {
  readonly #convert: () => KubeObject;
  #object: KubeObject | undefined;
  #line: Buffer | undefined;
  readonly #forms = new Map<string, unknown>();

  constructor(convert: () => KubeObject) {
    this.#convert = convert;
  }

  get object(): KubeObject {
    return (this.#object ??= this.#convert());
  }

  json(): Buffer {
    return this.line().subarray(0, -1);
  }

  line(): Buffer {
    return (this.#line ??= Buffer.from(`${JSON.stringify(this.object)}\n`));
  }

  typeMeta(): number {
    return typeMetaLength(this.json());
  }

  form<T>(name: string, make: () => T): T {
    return formOf(this.#forms, name, make);
  }
}
