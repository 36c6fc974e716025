/** The parameters that a binding hands to its policy. */
import { convertFromStorage } from '../../../api/convert/convert.ts';
import { parseGroupVersion, type KubeObject } from '../../../api/meta.ts';
import type { ResourceInfo } from '../../../api/schema/schema.ts';
import { labelSelectorOf } from '../../../api/selectors.ts';
import type { ParamKind, ParamRef } from '../../../api/types.gen.ts';
import type { AdmissionRequest } from '../../contract.ts';
import type { StoredObjects } from '../../stored.ts';

/** A binding that cannot be followed; the policy's failurePolicy decides what comes of it. */
export class ParamError extends Error {}

export interface ParamQuestion {
  kind: ParamKind | undefined;
  ref: ParamRef | undefined;
  request: AdmissionRequest;
}

/**
 * One evaluation for each: `null` where the policy takes no parameters, or the binding gives none. None at all where nothing was found and
 * that is allowed. Throws ParamError.
 */
export async function paramsFor(
  { source, resources }: StoredObjects,
  { kind, ref, request }: ParamQuestion,
): Promise<(KubeObject | null)[]> {
  if (!kind || !ref) return [null];
  const { group, version } = parseGroupVersion(kind.apiVersion ?? '');
  const info = resources.all().find((each) => each.kind === kind.kind && each.group === group && each.version === version);
  if (!info) throw new ParamError(`paramKind kind \`${kind.apiVersion}, Kind=${kind.kind}\` not known`);
  const namespace = namespaceOf(info, ref, request);
  const found = await inVersion(info, await select(source, { info, namespace, ref }));
  if (found.length === 0 && ref.parameterNotFoundAction === 'Deny')
    throw new ParamError('no params found for policy binding with `Deny` parameterNotFoundAction');
  return found;
}

function namespaceOf(info: ResourceInfo, { namespace }: ParamRef, request: AdmissionRequest): string {
  if (!info.namespaced) {
    if (namespace) throw new ParamError('paramRef.namespace must not be provided for a cluster-scoped `paramKind`');
    return '';
  }
  const chosen = namespace || request.namespace;
  if (!chosen) throw new ParamError('cannot use namespaced paramRef in policy binding that matches cluster-scoped resources');
  return chosen;
}

interface Place {
  info: ResourceInfo;
  namespace: string;
  ref: ParamRef;
}

/** What is missing is looked for again when the cache is certain to be up to date. */
async function select(source: StoredObjects['source'], { info, namespace, ref }: Place): Promise<KubeObject[]> {
  const look = (): KubeObject[] => {
    if (ref.name) {
      const object = source.get(info, namespace, ref.name);
      return object ? [object] : [];
    }
    const selector = labelSelectorOf(ref.selector ?? {});
    return source.list(info, namespace || undefined).filter(({ metadata }) => selector.matchesLabels(metadata.labels));
  };
  const found = look();
  if (found.length > 0) return found;
  await source.fresh();
  return look();
}

async function inVersion(info: ResourceInfo, objects: KubeObject[]): Promise<KubeObject[]> {
  const { custom } = info;
  if (!custom) return objects.map((object) => convertFromStorage(info, object));
  await custom.prepare?.(objects);
  return objects.map((object) => custom.fromStorage(object));
}
