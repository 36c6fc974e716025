import type { AdmissionPlugin } from '../contract.ts';

const FINALIZERS: Readonly<Record<string, string>> = {
  '/persistentvolumeclaims': 'kubernetes.io/pvc-protection',
  '/persistentvolumes': 'kubernetes.io/pv-protection',
  'storage.k8s.io/volumeattributesclasses': 'kubernetes.io/vac-protection',
};

/** Claims, volumes and volume attributes classes carry a finalizer that keeps them as long as something uses them. */
export function storageObjectInUseProtection(): AdmissionPlugin {
  return {
    name: 'StorageObjectInUseProtection',
    mutate({ operation, resource, subresource, object }) {
      const finalizer = FINALIZERS[`${resource.group}/${resource.resource}`];
      if (operation !== 'CREATE' || subresource || !finalizer || !object) return undefined;
      const finalizers = object.metadata.finalizers ?? [];
      if (finalizers.includes(finalizer)) return undefined;
      return { ...object, metadata: { ...object.metadata, finalizers: [...finalizers, finalizer] } };
    },
  };
}
