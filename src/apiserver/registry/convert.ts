import { convertFromStorage, convertToStorage, isStoredForm } from '../../api/convert/convert.ts';
import { groupVersion, type KubeObject } from '../../api/meta.ts';
import type { ServedResource } from '../resources.ts';
import { formOf, typeMetaLength, type Entry, type ObjectView } from '../watch/entry.ts';

/** From the version of the URL to the version that is stored. */
export function toStored({ info }: ServedResource, object: KubeObject): KubeObject {
  return convertToStorage(info, object);
}

/** From the stored version to the version of the URL. */
export function fromStored({ info }: ServedResource, object: KubeObject): KubeObject {
  return convertFromStorage(info, object);
}

/** A stored object in the version of the URL; made once for each version and entry. */
export function viewOf({ info }: ServedResource, entry: Entry): ObjectView {
  if (isStoredForm(info)) return entry;
  return entry.form(`as ${groupVersion(info)}`, () => new ConvertedView(info, entry));
}

class ConvertedView implements ObjectView {
  readonly #info: ServedResource['info'];
  readonly #entry: Entry;
  #object: KubeObject | undefined;
  #line: Buffer | undefined;
  readonly #forms = new Map<string, unknown>();

  constructor(info: ServedResource['info'], entry: Entry) {
    this.#info = info;
    this.#entry = entry;
  }

  get object(): KubeObject {
    return (this.#object ??= convertFromStorage(this.#info, this.#entry.object));
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
