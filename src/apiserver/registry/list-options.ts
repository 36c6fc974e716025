import { fieldSelectorFor, parseLabelSelector, type FieldSelector, type LabelSelector } from '../../api/selectors.ts';
import { invalid, type FieldError } from '../../api/status.ts';
import type { KubeObject } from '../../api/meta.ts';
import { isTrue } from '../request-info.ts';
import { integerParameter } from './options.ts';
import type { ServedResource } from '../resources.ts';

export interface ListOptions {
  labels: LabelSelector;
  fields: FieldSelector;
  /** Both selectors' text: equal texts select the same. */
  selectorText: string;
  /** The name that the field selector pins. */
  name?: string;
  /** 0: no limit. */
  limit: number;
  continue: string;
  resourceVersion: string;
  resourceVersionMatch: '' | 'Exact' | 'NotOlderThan';
  /** Absent when the client did not say. */
  sendInitialEvents?: boolean;
  /** How long the client will stay, seconds; 0: it did not say. */
  timeoutSeconds: number;
}

/** The query of a list, watch or deletecollection. Throws StatusError and SelectorError. */
export function listOptions({ info }: Pick<ServedResource, 'info'>, query: URLSearchParams): ListOptions {
  const labelText = query.get('labelSelector') ?? '';
  const fieldText = query.get('fieldSelector') ?? '';
  const fields = fieldSelectorFor(info, fieldText);
  const name = fields.exact('metadata.name');
  const initial = query.get('sendInitialEvents');
  return {
    labels: parseLabelSelector(labelText),
    fields,
    selectorText: labelText === '' && fieldText === '' ? '' : `${labelText}\n${fieldText}`,
    ...(name === undefined ? {} : { name }),
    limit: Math.max(integerParameter(query.get('limit')), 0),
    continue: query.get('continue') ?? '',
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: (query.get('resourceVersionMatch') ?? '') as ListOptions['resourceVersionMatch'],
    timeoutSeconds: integerParameter(query.get('timeoutSeconds')),
    ...(initial === null || initial === '' ? {} : { sendInitialEvents: isTrue(initial) }),
  };
}

/** The compiled test of both selectors; undefined when everything passes. */
export function matcher({ labels, fields }: Pick<ListOptions, 'labels' | 'fields'>): ((object: KubeObject) => boolean) | undefined {
  if (fields.everything) return labels.everything ? undefined : (object) => labels.matches(object);
  if (labels.everything) return (object) => fields.matches(object);
  return (object) => labels.matches(object) && fields.matches(object);
}

/** The combinations that upstream refuses (ValidateListOptions). */
export function checkListOptions(options: ListOptions): void {
  const { resourceVersion, resourceVersionMatch: match, continue: token } = options;
  const errors: FieldError[] = [];
  const forbidden = (detail: string): void =>
    void errors.push({ field: 'resourceVersionMatch', type: 'FieldValueForbidden', message: `Forbidden: ${detail}` });
  if (match !== '') {
    if (resourceVersion === '') forbidden('resourceVersionMatch is forbidden unless resourceVersion is provided');
    if (token !== '') forbidden('resourceVersionMatch is forbidden when continue is provided');
    if (match !== 'Exact' && match !== 'NotOlderThan') {
      errors.push({
        field: 'resourceVersionMatch',
        type: 'FieldValueNotSupported',
        message: `Unsupported value: "${match as string}": supported values: "Exact", "NotOlderThan", ""`,
      });
    }
    if (match === 'Exact' && resourceVersion === '0') forbidden('resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
  }
  if (options.sendInitialEvents !== undefined)
    errors.push({ field: 'sendInitialEvents', type: 'FieldValueForbidden', message: 'Forbidden: sendInitialEvents is forbidden for list' });
  if (errors.length > 0) throw invalid('ListOptions', 'meta.k8s.io', '', errors);
}
