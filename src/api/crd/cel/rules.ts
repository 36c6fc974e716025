import type { KubeObject } from '../../meta.ts';
import type { FieldError } from '../../status.ts';
import type { JSONSchemaProps } from '../../types.gen.ts';
export function ruleChecker(_node: JSONSchemaProps): (object: KubeObject, old: KubeObject | undefined) => FieldError[] {
  return () => [];
}
