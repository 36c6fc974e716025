import type { FieldError } from '../status.ts';
import type { CustomResourceDefinition } from '../types.gen.ts';
export function definitionFindings(_definition: CustomResourceDefinition, _old?: CustomResourceDefinition): FieldError[] {
  return [];
}
