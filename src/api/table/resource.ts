/** Dynamic resource allocation. */
import type { DeviceClass, ResourceSlice, ResourceV1ResourceClaim as ResourceClaim } from '../types.gen.ts';
import { AGE, ageOf, column, NAME } from './columns.ts';
import type { Printer } from './columns.ts';

export const resourceClaims: Printer<ResourceClaim> = {
  columns: [NAME, column('State'), AGE],
  cells: (object, now) => {
    const { metadata, status } = object;
    const states = [
      metadata.deletionTimestamp ? 'deleted' : '',
      status?.allocation ? 'allocated' : '',
      status?.reservedFor?.length ? 'reserved' : '',
    ].filter(Boolean);
    return [metadata.name!, status?.allocation ? states.join(',') : [...states, 'pending'].join(','), ageOf(object, now)];
  },
};

export const resourceSlices: Printer<ResourceSlice> = {
  columns: [NAME, column('Node'), column('Driver'), column('Pool'), AGE],
  cells: (object, now) => [
    object.metadata.name!,
    object.spec.nodeName ?? '',
    object.spec.driver,
    object.spec.pool.name,
    ageOf(object, now),
  ],
};

/** Device classes and claim templates have nothing to show but themselves. */
export const namesAndAges: Printer<DeviceClass> = {
  columns: [NAME, AGE],
  cells: (object, now) => [object.metadata.name!, ageOf(object, now)],
};
