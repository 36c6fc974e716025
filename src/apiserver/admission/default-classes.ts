/** Claims and ingresses that name no class get the one that is marked as the default; of several the newest, as upstream chooses. */
import type { ObjectWithMeta } from '../../api/meta.ts';
import type { IngressClass, StorageClass } from '../../api/types.gen.ts';
import type { AdmissionPlugin } from '../contract.ts';
import type { StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { isFor } from './refuse.ts';

const STORAGE_DEFAULTS = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'];
const INGRESS_DEFAULT = 'ingressclass.kubernetes.io/is-default-class';

export function defaultStorageClass(objects: StoredObjects): AdmissionPlugin {
  const classes = stored<StorageClass>(objects, 'storage.k8s.io', 'v1', 'storageclasses');
  return {
    name: 'DefaultStorageClass',
    mutate(request) {
      if (request.operation !== 'CREATE' || !isFor(request, '', 'persistentvolumeclaims')) return undefined;
      const { metadata } = request.object!;
      const spec = request.object!['spec'] as { storageClassName?: string };
      // An empty name asks for a volume without class, which is a choice too.
      if (spec.storageClassName !== undefined || metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] !== undefined)
        return undefined;
      const chosen = newest(classes.list().filter((candidate) => marked(candidate, STORAGE_DEFAULTS)));
      return chosen && { ...request.object!, spec: { ...spec, storageClassName: chosen.metadata.name } };
    },
  };
}

export function defaultIngressClass(objects: StoredObjects): AdmissionPlugin {
  const classes = stored<IngressClass>(objects, 'networking.k8s.io', 'v1', 'ingressclasses');
  return {
    name: 'DefaultIngressClass',
    mutate(request) {
      if (request.operation !== 'CREATE' || !isFor(request, 'networking.k8s.io', 'ingresses')) return undefined;
      const spec = (request.object!['spec'] ?? {}) as { ingressClassName?: string };
      if (spec.ingressClassName !== undefined || request.object!.metadata.annotations?.['kubernetes.io/ingress.class'] !== undefined)
        return undefined;
      const chosen = newest(classes.list().filter((candidate) => marked(candidate, [INGRESS_DEFAULT])));
      return chosen && { ...request.object!, spec: { ...spec, ingressClassName: chosen.metadata.name } };
    },
  };
}

function marked({ metadata }: ObjectWithMeta, annotations: readonly string[]): boolean {
  return annotations.some((annotation) => metadata.annotations?.[annotation] === 'true');
}

function newest<T extends ObjectWithMeta>(candidates: readonly T[]): T | undefined {
  const age = ({ metadata }: T): number => Date.parse(metadata.creationTimestamp ?? '') || 0;
  return candidates.toSorted((a, b) => age(b) - age(a) || (a.metadata.name! < b.metadata.name! ? -1 : 1))[0];
}
