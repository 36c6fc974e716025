import type { KubeObject } from '../meta.ts';
import type { FieldError } from '../status.ts';

/**
 * One form for the shape of every object: built-in kinds (from the generated fact table) and custom resources (from their CRD).
 * Decoding, pruning, defaulting, structural validation, strategic merge, server-side apply, OpenAPI and protobuf all walk it.
 */
export type SchemaType =
  | 'object' // known fields
  | 'map' // string keys, values are `items`
  | 'array'
  | 'string'
  | 'integer'
  | 'number'
  | 'boolean'
  | 'intOrString'
  | 'quantity'
  | 'time' // RFC 3339, seconds
  | 'microTime' // RFC 3339, microseconds
  | 'duration'
  | 'bytes' // base64 in JSON
  | 'any'; // RawExtension, JSON, FieldsV1: kept as it is

export interface Schema {
  type: SchemaType;
  /**
   * For objects of built-in kinds: `io.k8s.api.core.v1.PodSpec`, the definition's name in OpenAPI. `any` types that have a definition of
   * their own have one too (RawExtension, FieldsV1, JSON …); an array with a name is a message of its own in protobuf (ExtraValue, Verbs).
   */
  name?: string;
  fields?: Readonly<Record<string, Field>>;
  /** Element of an array, value of a map. */
  items?: Schema;
  /** `int32`, `int64`, `double`, and for CRDs `date-time`, `email` … */
  format?: string;
  enum?: readonly string[];
  listType?: 'atomic' | 'set' | 'map';
  listMapKeys?: readonly string[];
  mapType?: 'atomic' | 'granular';
  nullable?: boolean;
  /** Unknown fields are kept here instead of pruned. */
  preserveUnknownFields?: boolean;
  /** The value is itself an object with apiVersion, kind and metadata. */
  embeddedResource?: boolean;
  /** Rules that only CRDs carry (minimum, pattern, x-kubernetes-validations …): the OpenAPI node itself. */
  rules?: Readonly<Record<string, unknown>>;
}

export interface Field {
  schema: Schema;
  required?: boolean;
  /** Constant default (`+default=`), a JSON value. Defaults that need logic are in api/defaults/. */
  default?: unknown;
  patchStrategy?: readonly ('merge' | 'replace' | 'retainKeys')[];
  patchMergeKey?: string;
  /**
   * Field number and wire type of the protobuf message, where the kind has one. `path` holds the numbers of the messages between the
   * object and this field: what Go embeds inline in JSON is a message in protobuf (a Volume's `emptyDir` is `volumeSource.emptyDir`).
   */
  protobuf?: { number: number; wire: 'varint' | 'bytes' | 'fixed64' | 'fixed32'; path?: readonly number[] };
  /** A pointer in Go: a zero value (`replicas: 0`) is a value, while that of other fields without `keepZero` is the same as absence. */
  pointer?: boolean;
  /** Go's omitempty is absent: the zero value is written out (`status: {}`, `containers: null` never shown). */
  keepZero?: boolean;
}

/** One served resource: what discovery, routing, storage and the printers need to know of it. */
export interface ResourceInfo {
  group: string;
  version: string;
  /** `pods` */
  resource: string;
  /** `pod` */
  singular: string;
  /** `Pod` */
  kind: string;
  namespaced: boolean;
  shortNames: readonly string[];
  /** `all` */
  categories: readonly string[];
  /** `create delete deletecollection get list patch update watch`, or fewer (bindings: create; componentstatuses: get, list). */
  verbs: readonly string[];
  /** `status`, `scale`, `log` … with their own kind and verbs. */
  subresources: readonly SubresourceInfo[];
  /** Where upstream keeps it: `/registry/pods`, `/registry/services/specs`, `/registry/minions`. Empty for what is never stored (reviews). */
  storagePrefix: string;
  /** The group version it is stored in, `apps/v1`. */
  storageVersion: string;
  schema: Schema;
  /** Served only when asked for (alpha, beta). */
  offByDefault?: boolean;
  /** Fields that a field selector may name, beside metadata.name and metadata.namespace. */
  selectableFields: readonly string[];
  /** Custom resources only. */
  custom?: CustomRules;
  /** Versions that Kubernetes itself no longer serves. */
  legacy?: LegacyRules;
}

/** How a version of old is served by the one that took its place. Made by api/legacy. */
export interface LegacyRules {
  /** What every request is warned of. */
  warning: string;
  /** DELETE without a propagation policy leaves the dependents, as this version did. */
  orphansByDefault?: true;
  /** The defaults that this version had where the stored one has others, or none; changes the object, which is the caller's. */
  applyDefaults?(object: KubeObject): void;
  /** To the shape of the stored version, and back; where they differ by more than their apiVersion. Neither changes its argument. */
  toStorage?(object: KubeObject): KubeObject;
  fromStorage?(object: KubeObject): KubeObject;
}

export interface SubresourceInfo {
  /** `status` */
  name: string;
  group: string;
  version: string;
  kind: string;
  verbs: readonly string[];
}

/**
 * What the definition of a custom resource says beside its schema, for one version. Built-in kinds have code for this; custom ones bring it
 * along. Made by api/crd.
 */
export interface CustomRules {
  /** Names these rules: what was made of an object under other rules has another key. */
  key: string;
  /** Findings about an object (in this version) beyond its metadata; `old` is what it replaces. */
  validate(object: KubeObject, old: KubeObject | undefined): FieldError[];
  /**
   * A stored object, of whatever version, as this version shows it: converted, pruned, defaulted. The argument itself where nothing
   * differs. Where a webhook converts, `prepare` comes first.
   */
  fromStorage(object: KubeObject): KubeObject;
  /** An object of this version as it is stored. The argument itself where nothing differs. */
  toStorage(object: KubeObject): KubeObject | Promise<KubeObject>;
  /** Where a webhook converts: makes `fromStorage` ready for these objects. Absent where nothing has to be made ready. */
  prepare?(objects: readonly KubeObject[]): Promise<void>;
  printer: CustomPrinter;
  scale?: { specReplicas: readonly string[]; statusReplicas: readonly string[]; labelSelector?: readonly string[] };
  /** A deprecated version's warning. */
  warning?: string;
}

export interface CustomPrinter {
  columns: readonly {
    name: string;
    type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
    format: '' | 'name';
    description: string;
    priority: number;
  }[];
  /** One cell a column; `now` in milliseconds. */
  cells(object: KubeObject, now: number): (string | number | boolean | null)[];
}
