/** Placeholder rules until api/{validation} is in place. */
import type { KubeObject } from '../../api/meta.ts';
import type { ResourceInfo } from '../../api/schema/schema.ts';
import type { FieldError } from '../../api/status.ts';

export { applyDefaults } from '../../api/defaults/defaults.ts';
export { prepareForCreate, prepareForUpdate, prepareStatusUpdate } from '../../api/strategy/prepare.ts';
export { deletionGrace } from '../../api/strategy/deletion.ts';

export function validateCreate(_info: ResourceInfo, _object: KubeObject): FieldError[] {
  return [];
}
export function validateUpdate(_info: ResourceInfo, _object: KubeObject, _old: KubeObject): FieldError[] {
  return [];
}
export function validateStatusUpdate(_info: ResourceInfo, _object: KubeObject, _old: KubeObject): FieldError[] {
  return [];
}
