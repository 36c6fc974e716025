/** CustomResourceDefinitions for behaviours: a group of each behaviour's own, removed when it is done. */
import type { V1CustomResourceDefinition, V1CustomResourceDefinitionVersion, V1JSONSchemaProps } from '@kubernetes/client-node';
import { until, type World } from '../harness.ts';
import { rest } from '../rest.ts';

export const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

export interface Defined {
  group: string;
  kind: string;
  plural: string;
  /** Path of the definition. */
  path: string;
  /** Path of the objects in the behaviour's namespace (or the cluster), in a version. */
  objects(version?: string): string;
}

let count = 0;

/** A schema that takes anything. */
export const ANYTHING: V1JSONSchemaProps = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } as never;

export const version = (
  name: string,
  schema: V1JSONSchemaProps,
  more: Partial<V1CustomResourceDefinitionVersion> = {},
): V1CustomResourceDefinitionVersion => ({
  name,
  served: true,
  storage: true,
  schema: { openAPIV3Schema: schema },
  ...more,
});

export interface DefinitionOptions {
  /** The group; a behaviour's own unless given. */
  group?: string;
  /** Laid over the definition's spec. */
  spec?: object;
}

/** The definition as it would be sent; its names have a number of their own. */
export function definition(
  versions: V1CustomResourceDefinitionVersion[],
  { group, spec }: DefinitionOptions = {},
): V1CustomResourceDefinition {
  const number = ++count;
  const names = { plural: `noxu${number}s`, kind: `Noxu${number}`, listKind: `Noxu${number}List` };
  const owner = group ?? `g${process.pid}-${number}.example.com`;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${names.plural}.${owner}` },
    spec: { group: owner, scope: 'Namespaced', names, versions, ...spec },
  };
}

/** Creates a definition, waits until its objects are served, and removes it after the behaviour. */
export async function define(world: World, body: V1CustomResourceDefinition): Promise<Defined> {
  const path = `${DEFINITIONS}/${body.metadata!.name}`;
  await rest(world).create(DEFINITIONS, body);
  world.test.after(async () => void (await world.request({ method: 'DELETE', path })));
  await until(async () => {
    const { status } = await rest(world).get<V1CustomResourceDefinition>(path);
    return status?.conditions?.some(({ type, status: value }) => type === 'Established' && value === 'True');
  }, `${body.metadata!.name} is established`);
  const { group, names, scope, versions } = body.spec;
  const objects = (name = versions[0]!.name): string =>
    `/apis/${group}/${name}${scope === 'Namespaced' ? `/namespaces/${world.namespace}` : ''}/${names.plural}`;
  const served = versions.find((each) => each.served);
  if (served)
    await until(async () => (await world.request({ path: objects(served.name) })).status === 200, `${objects(served.name)} is served`);
  return { group, kind: names.kind, plural: names.plural, path, objects };
}
