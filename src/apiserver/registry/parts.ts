import {
  validateApprovalUpdate,
  validateEphemeralContainersUpdate,
  validateFinalize,
  validateResize,
} from '../../api/validation/validate.ts';
import { applyDefaults } from '../../api/defaults/defaults.ts';
import { prepareForUpdate, prepareStatusUpdate } from '../../api/strategy/prepare.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { ResourceInfo } from '../../api/schema/schema.ts';
import type { CertificateSigningRequest, Container, EphemeralContainer, Namespace, Pod } from '../../api/types.gen.ts';
import { apply, APPLY_TYPE } from './apply.ts';
import { toStored, viewOf } from './convert.ts';
import { decodeBody } from './decode.ts';
import { get } from './get.ts';
import { writeOptions, type WriteOptions } from './options.ts';
import { patchedObject } from './patch.ts';
import type { Call, Registry, Result, VerbHandler } from './registry.ts';
import { updateObject, type UpdateRules } from './update.ts';

/** Subresources that show the whole object and let one part of it change. */

export const ephemeralContainers = part(
  (live, given) => withSpec(live, { ephemeralContainers: (given['spec'] as Pod['spec'])?.ephemeralContainers as EphemeralContainer[] }),
  validateEphemeralContainersUpdate,
);

export const resize = part((live, given) => withSpec(live, resized(live, given)), validateResize);

export const finalize = part(
  (live, given) => withSpec(live, { finalizers: (given['spec'] as Namespace['spec'])?.finalizers ?? [] }),
  validateFinalize,
);

/** Like a status of which only the conditions are open; annotations travel with it. */
export const approval = doors({
  defaults: applyDefaults,
  prepare: (info, given, live, now) => {
    const { conditions } = (given['status'] ?? {}) as NonNullable<CertificateSigningRequest['status']>;
    return prepareStatusUpdate(info, { ...given, status: { ...(live['status'] as object | undefined), conditions } }, live, now);
  },
  validate: validateApprovalUpdate,
  claims: false,
});

/** `keep` builds the new object from the live one and the part that may change. */
function part(
  keep: (live: KubeObject, given: KubeObject) => KubeObject,
  validate: UpdateRules['validate'],
): Readonly<Record<string, VerbHandler>> {
  return doors({
    defaults: applyDefaults,
    prepare: (info: ResourceInfo, given, live) => {
      const next = keep(live, given);
      const { resourceVersion, managedFields = live.metadata.managedFields } = given.metadata;
      return withGeneration(info, { ...next, metadata: { ...live.metadata, resourceVersion, managedFields } }, live);
    },
    validate,
    claims: false,
  });
}

function doors(rules: UpdateRules): Readonly<Record<string, VerbHandler>> {
  const put = async (registry: Registry, call: Call, options: WriteOptions, make: (live: KubeObject) => KubeObject): Promise<Result> => {
    const { entry } = await updateObject(registry, call, { options, rules, make });
    return { kind: 'object', status: 200, info: call.served.info, view: viewOf(call.served, entry) };
  };
  return {
    get,
    update: async (registry, call) => {
      const options = writeOptions(call.context, 'UpdateOptions');
      const given = toStored(call.served, await decodeBody(call, options.fieldValidation));
      return put(registry, call, options, () => ({ ...given, metadata: { ...given.metadata } }));
    },
    patch: async (registry, call) => {
      const options = writeOptions(call.context, 'PatchOptions');
      if (call.body.contentType === APPLY_TYPE) return apply(registry, call, options, rules);
      return put(registry, call, options, await patchedObject(call, options));
    },
  };
}

/** The generation follows the spec; everything else stays as `keep` left it. */
function withGeneration(info: ResourceInfo, next: KubeObject, live: KubeObject): KubeObject {
  const { generation } = prepareForUpdate(info, next, live).metadata;
  return generation === next.metadata.generation ? next : { ...next, metadata: { ...next.metadata, generation } };
}

function withSpec(live: KubeObject, changed: object): KubeObject {
  return { ...live, spec: { ...(live['spec'] as object | undefined), ...changed } };
}

/** The live containers with the amounts that were given; a list of other containers stays as it came, for validation to name. */
function resized(live: KubeObject, given: KubeObject): Partial<NonNullable<Pod['spec']>> {
  const spec = live['spec'] as NonNullable<Pod['spec']>;
  const wanted = given['spec'] as NonNullable<Pod['spec']>;
  const merged = (now: readonly Container[], then: readonly Container[]): Container[] => {
    const same = now.length === then.length && now.every(({ name }, index) => name === then[index]!.name);
    if (!same) return [...now];
    return then.map((container, index) => {
      const { resources, resizePolicy } = now[index]!;
      return { ...container, resources: resources ?? {}, ...(resizePolicy ? { resizePolicy } : {}) };
    });
  };
  const { initContainers } = spec;
  return {
    containers: merged(wanted.containers ?? [], spec.containers),
    ...(initContainers || wanted.initContainers ? { initContainers: merged(wanted.initContainers ?? [], initContainers ?? []) } : {}),
  };
}
