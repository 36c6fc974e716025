import { isRecord, semanticEqual } from '../../../api/patch/json.ts';
import type { KubeObject } from '../../../api/meta.ts';
import type { ManagedFieldsEntry } from '../../../api/types.gen.ts';
import type { AdmissionRequest } from '../../contract.ts';

/** The changed object, its field managers as they were if the change broke them: a webhook that knows no managedFields may garble them. Warns then. */
export function withValidManagers(changed: KubeObject, before: KubeObject, { warn }: Pick<AdmissionRequest, 'warn'>): KubeObject {
  const { managedFields } = changed.metadata ?? {};
  if (!managedFields || semanticEqual(managedFields, before.metadata.managedFields)) return changed;
  const wrong = managedFields.map(problemOf).find((problem) => problem !== undefined);
  if (wrong === undefined) return changed;
  warn(
    `.metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; please fix your requests: ${wrong}`,
  );
  const { managedFields: _garbled, ...metadata } = changed.metadata;
  const known = before.metadata.managedFields;
  return { ...changed, metadata: { ...metadata, ...(known ? { managedFields: known } : {}) } };
}

function problemOf({ operation, apiVersion, fieldsType, fieldsV1 }: ManagedFieldsEntry): string | undefined {
  if (operation !== 'Apply' && operation !== 'Update') return `invalid operation: ${operation ?? ''}`;
  if (!apiVersion) return 'unexpected empty apiVersion';
  if (fieldsType !== 'FieldsV1') return `unexpected fieldsType: ${fieldsType ?? ''}`;
  return fieldsV1 === undefined || isRecord(fieldsV1) ? undefined : 'fieldsV1 is no set of fields';
}
