import { compareQuantities } from '../../api/codec/quantity.ts';
import type { PersistentVolumeClaim, StorageClass } from '../../api/types.gen.ts';
import type { AdmissionPlugin } from '../contract.ts';
import type { StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { isFor, refuse } from './refuse.ts';

/** A bound claim grows only where its StorageClass says that its volumes can. */
export function persistentVolumeClaimResize(objects: StoredObjects): AdmissionPlugin {
  const classes = stored<StorageClass>(objects, 'storage.k8s.io', 'v1', 'storageclasses');
  return {
    name: 'PersistentVolumeClaimResize',
    validate(request) {
      if (request.operation !== 'UPDATE' || !isFor(request, '', 'persistentvolumeclaims')) return;
      const claim = request.object as unknown as PersistentVolumeClaim;
      const before = request.oldObject as unknown as PersistentVolumeClaim;
      const [size, old] = [claim, before].map(({ spec }) => spec?.resources?.requests?.['storage']);
      if (!size || !old || compareQuantities(size, old) <= 0) return;
      if (before.status?.phase !== 'Bound') throw refuse(request, 'Only bound persistent volume claims can be expanded');
      const allowed = classes.get('', claim.spec?.storageClassName ?? '')?.allowVolumeExpansion;
      if (!allowed)
        throw refuse(
          request,
          'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
        );
    },
  };
}
