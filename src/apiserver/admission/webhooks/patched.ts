import { decodeObject } from '../../../api/decode.ts';
import { applyDefaults } from '../../../api/defaults/defaults.ts';
import type { KubeObject } from '../../../api/meta.ts';
import { applyJsonPatch } from '../../../api/patch/json-patch.ts';
import { cloneJson, semanticEqual } from '../../../api/patch/json.ts';
import { schemaOf } from '../../../api/scheme.ts';
import type { ResourceInfo } from '../../../api/schema/schema.ts';
import { statusError } from '../../../api/status.ts';

/**
 * What a webhook's patch makes of an object of the version of `matched`: decoded, pruned and defaulted anew. The object itself when nothing
 * changed. Throws StatusError InternalError for a patch that cannot be applied.
 */
export function patchedObject(object: KubeObject, patch: string, matched: ResourceInfo): KubeObject {
  const changed = failingInternally(() => {
    const result = applyJsonPatch(object, JSON.parse(patch));
    const { schema, known } = schemaFor(object, matched);
    if (!schema) return result;
    const decoded = cloneJson(decodeObject(result, schema, { fieldValidation: 'Ignore' }).object);
    return known ? applyDefaults(matched, decoded) : decoded;
  });
  return semanticEqual(changed, object) ? object : changed;
}

function schemaFor({ apiVersion = '', kind = '' }: KubeObject, matched: ResourceInfo): { schema?: ResourceInfo['schema']; known: boolean } {
  if (kind === matched.kind) return { schema: matched.schema, known: true };
  const slash = apiVersion.indexOf('/');
  const schema = slash < 0 ? schemaOf('', apiVersion, kind) : schemaOf(apiVersion.slice(0, slash), apiVersion.slice(slash + 1), kind);
  return { ...(schema ? { schema } : {}), known: false };
}

function failingInternally<T>(attempt: () => T): T {
  try {
    return attempt();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // What exactly did not apply stands in the cause of the patch's own error.
    const why = error.cause instanceof Error ? error.cause.message : error.message;
    throw statusError('InternalError', `Internal error occurred: ${why}`, { causes: [{ message: why }] }, error);
  }
}
