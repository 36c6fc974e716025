/**
 * apiregistration.k8s.io/v1 as Go types: kube-aggregator is in no package of the registries, so its few types are written out here
 * from what @kubernetes/client-node describes, with the field numbers of its public protobuf messages.
 */
import type { GoField, GoPackage, GoType } from './go.ts';

export const AGGREGATOR_PATH = 'k8s.io/kube-aggregator/pkg/apis/apiregistration/v1';

/** Type to rows of: Go type, JSON name with options, protobuf number, markers. */
const TYPES: Readonly<Record<string, readonly string[]>> = {
  ServiceReference: ['string namespace,omitempty 1', 'string name,omitempty 2', '*int32 port,omitempty 3'],
  APIServiceSpec: [
    '*ServiceReference service,omitempty 1',
    'string group,omitempty 2',
    'string version,omitempty 3',
    'bool insecureSkipTLSVerify,omitempty 4',
    '[]byte caBundle,omitempty 5 listType=atomic',
    'int32 groupPriorityMinimum 7',
    'int32 versionPriority 8',
  ],
  APIServiceCondition: [
    'string type 1',
    'string status 2',
    'metav1.Time lastTransitionTime,omitempty 3',
    'string reason,omitempty 4',
    'string message,omitempty 5',
  ],
  APIServiceStatus: ['[]APIServiceCondition conditions,omitempty 1 patchMergeKey=type patchStrategy=merge listType=map listMapKey=type'],
  APIService: [
    'metav1.TypeMeta ,inline',
    'metav1.ObjectMeta metadata,omitempty 1',
    'APIServiceSpec spec,omitempty 2',
    'APIServiceStatus status,omitempty 3',
  ],
  APIServiceList: ['metav1.TypeMeta ,inline', 'metav1.ListMeta metadata,omitempty 1', '[]APIService items 2'],
};

export function aggregatorPackage(): GoPackage {
  const types = new Map<string, GoType>();
  const result: GoPackage = {
    path: AGGREGATOR_PATH,
    types,
    constants: new Map(),
    imports: new Map([['metav1', 'k8s.io/apimachinery/pkg/apis/meta/v1']]),
  };
  for (const [name, rows] of Object.entries(TYPES)) types.set(name, { name, package: result, markers: [], fields: rows.map(fieldOf) });
  return result;
}

/** A field from a row: Go type, JSON name with options, protobuf number, markers. */
export function fieldOf(row: string): GoField {
  const [type, json, number, ...markers] = row.split(' ') as [string, string, string | undefined, ...string[]];
  const wire = /^\*?(?:int32|int64|bool)$/.test(type) ? 'varint' : 'bytes';
  const tags: Record<string, string> = number ? { json, protobuf: `${wire},${number},opt` } : { json };
  return {
    name: json.startsWith(',') ? '' : json.split(',')[0]!,
    type,
    tags,
    markers: markers.map((text) => ({ name: text.split('=')[0]!, value: text.split('=')[1]! })),
  };
}
