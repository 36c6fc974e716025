/** From a CustomResourceDefinition to the resources that it makes the server serve. */
import { applyConstantDefaults } from '../defaults/constants.ts';
import { pruneObject } from '../decode.ts';
import { groupVersion } from '../meta.ts';
import type { KubeObject } from '../meta.ts';
import { cloneJson, isRecord } from '../patch/json.ts';
import type { CustomRules, ResourceInfo, Schema, SubresourceInfo } from '../schema/schema.ts';
import type { FieldError } from '../status.ts';
import type { CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps } from '../types.gen.ts';
import { ruleChecker } from './cel/rules.ts';
import { simplePath } from './json-path.ts';
import { customPrinter } from './printer.ts';
import { rootSchema } from './schema.ts';
import { validateValue } from './validate.ts';

/** How objects of a definition with a webhook come from one version to another; made where there is a network. */
export interface WebhookConversion {
  /** A stored object in another version; undefined when it was not prepared. */
  converted(object: KubeObject, apiVersion: string): KubeObject | undefined;
  /** Makes `converted` ready for these. Throws StatusError when the webhook fails. */
  prepare(objects: readonly KubeObject[], apiVersion: string): Promise<void>;
  /** An object in any served version as it is stored. Throws StatusError when the webhook fails. */
  toStorage(object: KubeObject): Promise<KubeObject>;
}

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
/** While a definition is going nothing comes anew; what is there may still lose its finalizers. */
const TERMINATING_VERBS = VERBS.filter((verb) => verb !== 'create');
const READ_WRITE = ['get', 'patch', 'update'];

/** One entry for each served version. `webhook` is given where the definition's conversion strategy asks for it. */
export function resourcesOf(definition: CustomResourceDefinition, webhook?: WebhookConversion): ResourceInfo[] {
  const { versions } = definition.spec;
  const served = versions.filter((version) => version.served);
  // Objects of a definition that serves nothing must go with it all the same.
  const shown = served.length === 0 && definition.metadata.deletionTimestamp ? versions.filter(({ storage }) => storage) : served;
  return shown.map((version) => resourceOf(definition, version, webhook));
}

function resourceOf(
  definition: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  webhook?: WebhookConversion,
): ResourceInfo {
  const { spec, status } = definition;
  const { group } = spec;
  const names = status?.acceptedNames?.plural ? status.acceptedNames : spec.names;
  const storage = spec.versions.find((each) => each.storage)!;
  const schema = rootSchema(version.schema?.openAPIV3Schema ?? {});
  return {
    group,
    version: version.name,
    resource: names.plural,
    singular: names.singular ?? '',
    kind: names.kind,
    namespaced: spec.scope === 'Namespaced',
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    verbs: definition.metadata.deletionTimestamp ? TERMINATING_VERBS : VERBS,
    subresources: subresourcesOf(group, version, names.kind),
    storagePrefix: `/registry/${group}/${names.plural}`,
    storageVersion: groupVersion({ group, version: storage.name }),
    schema,
    selectableFields: (version.selectableFields ?? []).map(({ jsonPath }) => jsonPath.replace(/^\./, '')),
    custom: rulesOf(definition, version, schema, webhook),
  };
}

function subresourcesOf(group: string, { name: version, subresources }: CustomResourceDefinitionVersion, kind: string): SubresourceInfo[] {
  return [
    ...(subresources?.status ? [{ name: 'status', group, version, kind, verbs: READ_WRITE }] : []),
    ...(subresources?.scale ? [{ name: 'scale', group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: READ_WRITE }] : []),
  ];
}

function rulesOf(
  definition: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  schema: Schema,
  webhook: WebhookConversion | undefined,
): CustomRules {
  const { spec, metadata } = definition;
  const node = version.schema?.openAPIV3Schema ?? {};
  const own = groupVersion({ group: spec.group, version: version.name });
  const stored = groupVersion({ group: spec.group, version: spec.versions.find((each) => each.storage)!.name });
  const scale = version.subresources?.scale;
  const checkRules = ruleChecker(node);
  return {
    key: `${metadata.uid ?? ''} ${metadata.generation ?? 0} ${version.name}`,
    validate: (object, old) => validateObject(object, old, node, checkRules),
    fromStorage: (object) => shaped(inVersion(object, own, webhook), schema),
    toStorage: (object) => (webhook ? webhook.toStorage(object) : toVersion(object, stored)),
    ...(webhook ? { prepare: (objects: readonly KubeObject[]) => webhook.prepare(objects, own) } : {}),
    printer: customPrinter(version.additionalPrinterColumns),
    ...(scale
      ? {
          scale: {
            specReplicas: simplePath(scale.specReplicasPath) ?? [],
            statusReplicas: simplePath(scale.statusReplicasPath) ?? [],
            ...(scale.labelSelectorPath ? { labelSelector: simplePath(scale.labelSelectorPath) ?? [] } : {}),
          },
        }
      : {}),
    ...(version.deprecated ? { warning: version.deprecationWarning ?? `${own} ${spec.names.kind} is deprecated` } : {}),
  };
}

/** The schema first: rules in CEL rely on the types that it has checked. */
function validateObject(
  object: KubeObject,
  old: KubeObject | undefined,
  node: JSONSchemaProps,
  checkRules: (object: KubeObject, old: KubeObject | undefined) => FieldError[],
): FieldError[] {
  const findings = validateValue(withoutMeta(object), withoutMetaSchema(node), '', old && withoutMeta(old));
  return findings.length > 0 ? findings : checkRules(object, old);
}

/** Metadata has rules of its own; a definition may only narrow the name. */
function withoutMeta(object: KubeObject): Record<string, unknown> {
  const { metadata, ...rest } = object;
  const { name, generateName } = metadata;
  return { ...rest, metadata: { ...(name ? { name } : {}), ...(generateName ? { generateName } : {}) } };
}

const trimmed = new WeakMap<JSONSchemaProps, JSONSchemaProps>();

function withoutMetaSchema(node: JSONSchemaProps): JSONSchemaProps {
  let schema = trimmed.get(node);
  if (!schema) trimmed.set(node, (schema = { ...node, required: (node.required ?? []).filter((name) => name !== 'metadata') }));
  return schema;
}

function inVersion(object: KubeObject, apiVersion: string, webhook: WebhookConversion | undefined): KubeObject {
  if (object.apiVersion === apiVersion) return object;
  return webhook?.converted(object, apiVersion) ?? toVersion(object, apiVersion);
}

function toVersion(object: KubeObject, apiVersion: string): KubeObject {
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion };
}

/** Objects that were stored under an older schema show what today's knows, and no more. */
function shaped(object: KubeObject, schema: Schema): KubeObject {
  const { value, unknown } = pruneObject(object, schema);
  const pruned = unknown.length > 0 ? { ...(value as KubeObject), metadata: object.metadata } : object;
  if (!lacksDefault(pruned, schema)) return pruned;
  const filled = cloneJson(pruned);
  applyConstantDefaults(filled, schema);
  return filled;
}

/** Whether defaulting would change anything: looking is cheaper than copying. */
function lacksDefault(value: unknown, schema: Schema): boolean {
  if (Array.isArray(value)) return schema.items !== undefined && value.some((item) => lacksDefault(item, schema.items!));
  if (!isRecord(value)) return false;
  for (const name in schema.fields) {
    const field = schema.fields[name]!;
    if (field.schema.name) continue;
    const own = value[name];
    if (field.default !== undefined && (own === undefined || (own === null && !field.schema.nullable))) return true;
    if (own !== undefined && lacksDefault(own, field.schema)) return true;
  }
  return schema.items !== undefined && Object.values(value).some((item) => lacksDefault(item, schema.items!));
}
