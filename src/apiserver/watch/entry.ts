import type { KubeObject } from '../../api/meta.ts';

/**
 * One object at one revision, in the forms that readers ask for. Stored bytes carry no resourceVersion (the store's revision is it);
 * what clients get is the same bytes with `"resourceVersion":"N",` spliced in behind `"metadata":{`. Every form is made at most
 * once, when first asked for. Immutable towards the outside: share it freely.
 */
export class Entry implements ObjectView {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly revision: number;
  #object: KubeObject | undefined;
  #stored: Uint8Array | undefined;
  #json: Buffer | undefined;
  /** #json and a line end, in the same memory. */
  #line: Buffer | undefined;
  #typeMeta = -1;
  /** Where the spliced text begins and ends in #json; the rest of it is the stored bytes. */
  #spliced: { start: number; end: number } | undefined;
  #forms: Map<string, unknown> | undefined;
  readonly #parse: ParseStored;

  constructor(
    fields: { key: string; namespace: string; name: string; revision: number; stored: Uint8Array; object?: KubeObject },
    parse: ParseStored,
  ) {
    this.key = fields.key;
    this.namespace = fields.namespace;
    this.name = fields.name;
    this.revision = fields.revision;
    this.#stored = fields.stored;
    this.#object = fields.object;
    this.#parse = parse;
  }

  /** The parsed object, with its resourceVersion. */
  get object(): KubeObject {
    if (!this.#object) {
      const object = this.#parse(this.stored());
      object.metadata.resourceVersion = String(this.revision);
      this.#object = object;
    }
    return this.#object;
  }

  /** JSON text in UTF-8, with its resourceVersion, no line end. */
  json(): Buffer {
    if (this.#json) return this.#json;
    this.#line = this.#splice();
    return (this.#json = this.#line.subarray(0, -1));
  }

  line(): Buffer {
    this.json();
    return this.#line!;
  }

  typeMeta(): number {
    if (this.#typeMeta < 0) this.#typeMeta = typeMetaLength(this.json());
    return this.#typeMeta;
  }

  /** The bytes as they are stored (decrypted), without a resourceVersion. */
  stored(): Uint8Array {
    if (this.#stored) return this.#stored;
    const { start, end } = this.#spliced!;
    return Buffer.concat([this.#json!.subarray(0, start), this.#json!.subarray(end)]);
  }

  /** Whether writing `bytes` would change nothing. */
  storesSame(bytes: Uint8Array): boolean {
    if (this.#stored) return Buffer.compare(this.#stored, bytes) === 0;
    const { start, end } = this.#spliced!;
    const json = this.#json!;
    const size = json.length - (end - start);
    if (size !== bytes.length) return false;
    return json.compare(bytes, 0, start, 0, start) === 0 && json.compare(bytes, start, size, end, json.length) === 0;
  }

  /** A further form of this object (a Table row, its metadata alone, protobuf), made once. */
  form<T>(name: string, make: () => T): T {
    return formOf((this.#forms ??= new Map()), name, make);
  }

  /** The same content as of a later revision: what a deletion, or leaving a selector, shows. */
  at(revision: number): Entry {
    const { key, namespace, name } = this;
    const known = this.#object && {
      object: { ...this.#object, metadata: { ...this.#object.metadata, resourceVersion: String(revision) } },
    };
    return new Entry({ key, namespace, name, revision, stored: this.stored(), ...known }, this.#parse);
  }

  /** Keeps the bytes alone: of what is history only few will be asked for again, and they can be parsed anew. */
  shed(): void {
    this.#object = undefined;
    this.#forms = undefined;
  }

  #splice(): Buffer {
    const stored = this.stored();
    const at = metadataOffset(stored);
    if (at < 0) return Buffer.from(`${JSON.stringify(this.object)}\n`);
    const inserted = Buffer.from(`"resourceVersion":"${this.revision}",`);
    const json = Buffer.allocUnsafeSlow(stored.length + inserted.length + 1);
    json.set(stored.subarray(0, at), 0);
    json.set(inserted, at);
    json.set(stored.subarray(at), at + inserted.length);
    json[json.length - 1] = LINE_END;
    this.#typeMeta = at - METADATA.length;
    this.#spliced = { start: at, end: at + inserted.length };
    this.#stored = undefined;
    return json;
  }
}

/** What encoders need of an object: parsed, as JSON bytes, and a place for what they make of it. */
export interface ObjectView {
  readonly object: KubeObject;
  json(): Buffer;
  /** `json()` with a line end. */
  line(): Buffer;
  /** Where `"metadata":` begins in `json()`, behind kind and apiVersion; 0 when it is not in front. */
  typeMeta(): number;
  form<T>(name: string, make: () => T): T;
}

export function formOf<T>(forms: Map<string, unknown>, name: string, make: () => T): T {
  if (!forms.has(name)) forms.set(name, make());
  return forms.get(name) as T;
}

export type ParseStored = (stored: Uint8Array) => KubeObject;

const HEAD_BYTES = 300;
const HEAD = /^\{"(?:kind":"[^"\\]*","apiVersion|apiVersion":"[^"\\]*","kind)":"[^"\\]*","metadata":\{(?=")/;

/** The offset just behind `"metadata":{` where kind, apiVersion and metadata come first, as we and kube-apiserver write them; else -1. */
function metadataOffset(stored: Uint8Array): number {
  const head = Buffer.from(stored.buffer, stored.byteOffset, Math.min(stored.length, HEAD_BYTES)).toString('latin1');
  const found = HEAD.exec(head);
  return found && stored.at(-1) === 0x7d ? found[0].length : -1;
}

/** `ObjectView.typeMeta` of JSON bytes. */
export function typeMetaLength(json: Uint8Array): number {
  const at = metadataOffset(json);
  return at < 0 ? 0 : at - METADATA.length;
}

const METADATA = '"metadata":{';
const LINE_END = 0x0a;
