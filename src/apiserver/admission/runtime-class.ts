import { isDeepStrictEqual } from 'node:util';
import type { PodSpec, RuntimeClass } from '../../api/types.gen.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../contract.ts';
import type { StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { isFor, refuse } from './refuse.ts';

/** Gives a pod the overhead, the node selector and the tolerations that its RuntimeClass asks for (KEP-688). */
export function runtimeClassAdmission(objects: StoredObjects): AdmissionPlugin {
  const classes = stored<RuntimeClass>(objects, 'node.k8s.io', 'v1', 'runtimeclasses');
  return {
    name: 'RuntimeClass',
    async mutate(request) {
      if (request.operation !== 'CREATE' || !isFor(request, '', 'pods')) return undefined;
      const spec = request.object!['spec'] as PodSpec;
      if (!spec.runtimeClassName) {
        if (spec.overhead && Object.keys(spec.overhead).length > 0)
          throw refuse(request, 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead');
        return undefined;
      }
      const found = await classes.find('', spec.runtimeClassName);
      if (!found) throw refuse(request, `pod rejected: RuntimeClass "${spec.runtimeClassName}" not found`);
      return { ...request.object!, spec: scheduled(request, withOverhead(request, spec, found), found) };
    },
  };
}

function withOverhead(request: AdmissionRequest, spec: PodSpec, { overhead }: RuntimeClass): PodSpec {
  const fixed = overhead?.podFixed;
  if (!fixed) return spec;
  if (spec.overhead && !isDeepStrictEqual(spec.overhead, fixed)) {
    throw refuse(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
  }
  return { ...spec, overhead: fixed };
}

function scheduled(request: AdmissionRequest, spec: PodSpec, { metadata, scheduling }: RuntimeClass): PodSpec {
  if (!scheduling) return spec;
  const nodeSelector = { ...spec.nodeSelector };
  for (const [key, value] of Object.entries(scheduling.nodeSelector ?? {})) {
    if (nodeSelector[key] !== undefined && nodeSelector[key] !== value) {
      throw refuse(
        request,
        `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${nodeSelector[key]}: runtimeClass ${metadata.name}`,
      );
    }
    nodeSelector[key] = value;
  }
  const tolerations = [...(spec.tolerations ?? [])];
  for (const toleration of scheduling.tolerations ?? []) {
    if (!tolerations.some((other) => isDeepStrictEqual(other, toleration))) tolerations.push(toleration);
  }
  return {
    ...spec,
    ...(Object.keys(nodeSelector).length > 0 ? { nodeSelector } : {}),
    ...(tolerations.length > 0 ? { tolerations } : {}),
  };
}
