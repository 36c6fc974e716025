/** `jsonpatch` in CEL, and the fields of `JSONPatch{…}` (KEP-3962). */
import type { Environment } from '@marcbachmann/cel-js';
import { declaredClass } from '../../../api/crd/cel/values.ts';

export const jsonPatchFields: readonly string[] = ['op', 'path', 'from', 'value'];

const Namespace = declaredClass('jsonpatch');
const NAMESPACE = 'kubernetes.JSONPatchNamespace';

export function declareJsonPatch(env: Environment): Environment {
  return env
    .clone()
    .registerType(NAMESPACE, { ctor: Namespace, fields: {} })
    .registerConstant('jsonpatch', NAMESPACE, new Namespace())
    .registerFunction(`${NAMESPACE}.escapeKey(string): string`, (_namespace: object, key: string) =>
      // RFC 6901: the tilde first, or its escape would be escaped again.
      key.replaceAll('~', '~0').replaceAll('/', '~1'),
    );
}
