/**
 * Turns the Go types into the compact text of `src/api/schema/facts.gen.ts`. Its grammar stands in `src/api/schema/table.ts`, which reads it.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AGGREGATOR_PATH, aggregatorPackage } from './aggregator.ts';
import { marker, readPackage } from './go.ts';
import { AUTOSCALING_V2BETA1, AUTOSCALING_V2BETA2, autoscalingV2beta1, autoscalingV2beta2 } from './removed.ts';
import type { GoField, GoPackage, GoType } from './go.ts';

/** Packages in the table, Go path to the prefix of the definition's name in OpenAPI. */
export const PACKAGES: readonly (readonly [path: string, name: string])[] = [
  ['k8s.io/apimachinery/pkg/apis/meta/v1', 'io.k8s.apimachinery.pkg.apis.meta.v1'],
  ['k8s.io/apimachinery/pkg/version', 'io.k8s.apimachinery.pkg.version'],
  ...[
    'core/v1',
    'admission/v1',
    'admissionregistration/v1',
    'admissionregistration/v1beta1',
    'admissionregistration/v1alpha1',
    'apidiscovery/v2',
    'apidiscovery/v2beta1',
    'apiserverinternal/v1alpha1',
    'apps/v1',
    'authentication/v1',
    'authorization/v1',
    'autoscaling/v1',
    'autoscaling/v2',
    'batch/v1',
    'certificates/v1',
    'certificates/v1beta1',
    'certificates/v1alpha1',
    'coordination/v1',
    'coordination/v1beta1',
    'coordination/v1alpha2',
    'discovery/v1',
    'events/v1',
    'flowcontrol/v1',
    'networking/v1',
    'networking/v1beta1',
    'node/v1',
    'policy/v1',
    'rbac/v1',
    'resource/v1',
    'resource/v1beta2',
    'resource/v1beta1',
    'resource/v1alpha3',
    'scheduling/v1',
    'scheduling/v1alpha2',
    'storage/v1',
    'storage/v1beta1',
    'storagemigration/v1beta1',
  ].map((path) => [`k8s.io/api/${path}`, `io.k8s.api.${path.replace('/', '.')}`] as const),
  ['k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1', 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1'],
  [AGGREGATOR_PATH, 'io.k8s.kube-aggregator.pkg.apis.apiregistration.v1'],
  // What api/legacy serves: last, since most clusters never read it.
  ...[
    'extensions/v1beta1',
    'apps/v1beta1',
    'apps/v1beta2',
    'batch/v1beta1',
    'policy/v1beta1',
    'rbac/v1beta1',
    'rbac/v1alpha1',
    'autoscaling/v2beta1',
    'autoscaling/v2beta2',
  ].map((path) => [`k8s.io/api/${path}`, `io.k8s.api.${path.replace('/', '.')}`] as const),
];

/** Types of other packages, and those whose JSON is not their Go structure. */
const SPECIAL: Readonly<Record<string, string>> = {
  'k8s.io/apimachinery/pkg/apis/meta/v1.Time': 't',
  'k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime': 'T',
  'k8s.io/apimachinery/pkg/apis/meta/v1.Duration': 'D',
  'k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1': 'F',
  'k8s.io/apimachinery/pkg/runtime.RawExtension': 'R',
  'k8s.io/apimachinery/pkg/runtime.Object': 'R',
  'k8s.io/apimachinery/pkg/api/resource.Quantity': 'q',
  'k8s.io/apimachinery/pkg/util/intstr.IntOrString': 'o',
  'k8s.io/apimachinery/pkg/types.UID': 's',
  'k8s.io/apimachinery/pkg/types.NodeName': 's',
  'k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSON': 'J',
  'k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrArray': 'A',
  'k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrBool': 'O',
  'k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrStringArray': 'S',
};
const BUILTIN: Readonly<Record<string, string>> = {
  string: 's',
  bool: 'b',
  int32: 'i',
  int: 'i',
  uint16: 'i',
  int64: 'I',
  uint64: 'I',
  float64: 'd',
  byte: 'y',
  'interface{}': 'a',
};

export class FactTable {
  readonly #packages = new Map<string, GoPackage>();
  readonly #types: GoType[] = [];
  readonly #indexes = new Map<GoType, number>();
  readonly #enums: string[] = [];

  /** `roots` are directories that hold `k8s.io/...`. */
  constructor(roots: readonly string[]) {
    for (const [path] of PACKAGES) {
      this.#packages.set(path, this.#package(path, roots));
    }
    for (const { types } of this.#packages.values()) {
      for (const type of [...types.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))) this.#number(type);
    }
  }

  #package(path: string, roots: readonly string[]): GoPackage {
    if (path === AGGREGATOR_PATH) return aggregatorPackage();
    if (path === AUTOSCALING_V2BETA1) return autoscalingV2beta1();
    if (path === AUTOSCALING_V2BETA2) return autoscalingV2beta2(this.#packages.get('k8s.io/api/autoscaling/v2')!);
    return readPackage(directoryOf(roots, path), path);
  }

  #number(type: GoType): void {
    if (
      !type.fields ||
      SPECIAL[`${type.package.path}.${type.name}`] ||
      (type.fields.length > 0 && !type.fields.some((field) => field.tags['json']))
    )
      return;
    this.#indexes.set(type, this.#types.length);
    this.#types.push(type);
  }

  /** The whole text: names of packages, then enums, then one line for each type. */
  text(): string {
    const lines = this.#types.map((type) => this.#line(type));
    return [PACKAGES.map(([, name]) => name).join(' '), this.#enums.join('\t'), ...lines].join('\n');
  }

  #line(type: GoType): string {
    const index = PACKAGES.findIndex(([path]) => path === type.package.path);
    const mapType = marker(type.markers, 'structType') === 'atomic' ? '*' : '';
    return [`${index}.${type.name}${mapType}`, ...this.#fields(type, '')].join('\t');
  }

  #fields(type: GoType, path: string): string[] {
    return type.fields!.flatMap((field) => {
      const [name, ...options] = (field.tags['json'] ?? '-').split(',') as [string, ...string[]];
      if (name === '-') return [];
      const number = /^\w+,(\d+)/.exec(field.tags['protobuf'] ?? '')?.[1];
      if (name === '') return this.#inlined(type, field, number ? `${path}${number}.` : path);
      return [this.#field(type, field, name, options, number && path + number)];
    });
  }

  #inlined(owner: GoType, field: GoField, path: string): string[] {
    const target = this.#resolve(owner.package, field.type.replace('*', ''));
    if (!target?.fields) throw new Error(`cannot inline ${field.type} into ${owner.name}`);
    if (target.name === 'TypeMeta') return ['kind s', 'apiVersion s'];
    return this.#fields(target, path);
  }

  #field(owner: GoType, field: GoField, name: string, options: readonly string[], number: string | undefined): string {
    const pointer = field.type.startsWith('*');
    const type = this.#expression(owner.package, field.type);
    const flags = [
      isRequired(field, options) ? '!' : '',
      pointer ? 'p' : '',
      keepsZero(type, pointer, options) ? 'z' : '',
      number ? `#${number}` : '',
      listFlag(field),
      mapFlag(field),
      field.tags['patchStrategy'] ? `+${field.tags['patchStrategy']}` : '',
      field.tags['patchMergeKey'] ? `^${field.tags['patchMergeKey']}` : '',
      this.#defaultFlag(owner.package, field),
    ].filter(Boolean);
    return [name, type, ...flags].join(' ');
  }

  #defaultFlag(scope: GoPackage, field: GoField): string {
    const value = marker(field.markers, 'default');
    if (value === undefined) return '';
    const reference = /^ref\((\w+)\)$/.exec(value);
    return `=${reference ? JSON.stringify(scope.constants.get(reference[1]!)!.value) : value}`;
  }

  #expression(scope: GoPackage, type: string): string {
    if (type.startsWith('*')) return this.#expression(scope, type.slice(1));
    if (type === '[]byte') return 'B';
    if (type.startsWith('[]')) return `[${this.#expression(scope, type.slice(2))}`;
    const map = /^map\[[\w.]+\](.+)$/.exec(type);
    if (map) return `{${this.#expression(scope, map[1]!)}`;
    if (BUILTIN[type]) return BUILTIN[type];
    return this.#named(scope, type);
  }

  #named(scope: GoPackage, type: string): string {
    const path = qualify(scope, type);
    if (SPECIAL[path]) return SPECIAL[path];
    const target = BUILTIN[type] ? undefined : this.#resolve(scope, type);
    if (!target) throw new Error(`unknown type ${path}`);
    if (target.underlying) return this.#alias(target);
    const index = this.#indexes.get(target);
    if (index === undefined) throw new Error(`type ${path} is not in the table`);
    return `@${index.toString(36)}`;
  }

  #alias(target: GoType): string {
    // gogo-protobuf wraps these slices in a message of their own: ExtraValue, Verbs.
    const wrapped = marker(target.markers, 'protobuf.nullable') !== undefined;
    if (marker(target.markers, 'enum') !== undefined) {
      const values = [...target.package.constants.values()].filter(({ type }) => type === target.name).map(({ value }) => value);
      if (values.length > 0) return `e${this.#enumIndex([...new Set(values)].toSorted().join('|')).toString(36)}`;
    }
    const expression = this.#expression(target.package, target.underlying!);
    return wrapped ? `]${expression.slice(1)}` : expression;
  }

  #enumIndex(values: string): number {
    const known = this.#enums.indexOf(values);
    return known >= 0 ? known : this.#enums.push(values) - 1;
  }

  #resolve(scope: GoPackage, type: string): GoType | undefined {
    const path = qualify(scope, type);
    const dot = path.lastIndexOf('.');
    const found = this.#packages.get(path.slice(0, dot))?.types.get(path.slice(dot + 1));
    // `type Rule = v1.Rule`, `type DeviceClass v1.DeviceClass`: the struct itself.
    if (found?.underlying && /^[\w.]+$/.test(found.underlying)) return this.#resolve(found.package, found.underlying) ?? found;
    return found;
  }
}

function directoryOf(roots: readonly string[], path: string): string {
  const root = roots.find((candidate) => existsSync(join(candidate, path)));
  if (!root) throw new Error(`${path} is not among the Go sources in ${roots.join(', ')}`);
  return join(root, path);
}

function qualify(scope: GoPackage, type: string): string {
  const dot = type.indexOf('.');
  if (dot < 0) return `${scope.path}.${type}`;
  const path = scope.imports.get(type.slice(0, dot));
  if (!path) throw new Error(`${scope.path}: unknown import ${type}`);
  return `${path}.${type.slice(dot + 1)}`;
}

/** kube-openapi's rule: the markers decide, else the absence of omitempty. */
function isRequired(field: GoField, options: readonly string[]): boolean {
  if (marker(field.markers, 'required') !== undefined) return true;
  if (marker(field.markers, 'optional') !== undefined) return false;
  return !options.includes('omitempty');
}

/** encoding/json writes a field without omitempty always, and a struct that is no pointer in spite of omitempty. */
function keepsZero(type: string, pointer: boolean, options: readonly string[]): boolean {
  if (options.includes('omitzero')) return false;
  if (!options.includes('omitempty')) return true;
  return !pointer && /^[@tTqo]/.test(type);
}

function listFlag(field: GoField): string {
  const type = marker(field.markers, 'listType');
  if (!type || field.type === '[]byte') return '';
  const keys = field.markers.filter(({ name }) => name === 'listMapKey').map(({ value }) => value);
  return type === 'map' ? `lm${keys.join(',')}` : `l${type[0]}`;
}

function mapFlag(field: GoField): string {
  const type = marker(field.markers, 'mapType') ?? marker(field.markers, 'structType');
  return type ? `m${type[0]}` : '';
}
