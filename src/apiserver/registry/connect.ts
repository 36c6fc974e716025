import { schemaOf } from '../../api/scheme.ts';
import type { KubeObject } from '../../api/meta.ts';
import { notFoundPage } from '../errors.ts';
import type { RequestContext } from '../contract.ts';
import { isTrue } from '../request-info.ts';
import { valueBody } from '../body.ts';
import { admissionRequest, mutate, validateAdmission } from './admit.ts';
import type { Registry } from './registry.ts';

/** Asks the admission plugins about a connection. Resolves with its query, as they leave it. Throws StatusError when one refuses. */
export type AdmitConnection = (context: RequestContext) => Promise<URLSearchParams>;

/** exec, attach, portforward and proxy: what the query asks for is shown to plugins as the subresource's options (PodExecOptions …). */
export function connectionAdmission(registry: Registry): AdmitConnection {
  return async (context) => {
    const { group, version, resource, subresource } = context.info;
    const served = registry.resources.find(group, version, resource);
    const kind = served?.info.subresources.find(({ name }) => name === subresource)?.kind;
    if (!served || !kind) throw notFoundPage();
    const object = connectOptions(context, kind);
    const subject = { operation: 'CONNECT', object, dryRun: false, options: {} } as const;
    const request = await mutate(registry, admissionRequest({ context, served, body: valueBody(undefined) }, subject));
    await validateAdmission(registry, request);
    return request.object === object ? context.query : queryOf(request.object!);
  };
}

/** Attaching shows what a container writes unless it is told not to. */
const DEFAULTS: Readonly<Record<string, object>> = { PodAttachOptions: { stdout: true, stderr: true } };

function connectOptions({ query, info }: RequestContext, kind: string): KubeObject {
  const options: Record<string, unknown> = { kind, apiVersion: 'v1', ...DEFAULTS[kind] };
  for (const [name, { schema }] of Object.entries(schemaOf('', 'v1', kind)?.fields ?? {})) {
    const values = query.getAll(name);
    if (values.length === 0 || name === 'kind' || name === 'apiVersion') continue;
    if (schema.type === 'boolean') options[name] = isTrue(values[0]!);
    else if (schema.type === 'array') options[name] = schema.items?.type === 'integer' ? values.flatMap(numbers) : values;
    else options[name] = values[0];
  }
  if (info.subresource === 'proxy' && info.parts.length > 0) options['path'] = `/${info.parts.join('/')}`;
  return options as unknown as KubeObject;
}

function numbers(text: string): number[] {
  return text.split(',').map(Number);
}

function queryOf(options: KubeObject): URLSearchParams {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options)) {
    if (name === 'kind' || name === 'apiVersion' || name === 'metadata') continue;
    for (const each of Array.isArray(value) ? (value as unknown[]) : [value]) query.append(name, String(each));
  }
  return query;
}
