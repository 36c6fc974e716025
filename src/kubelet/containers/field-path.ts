/** Values of a pod and its containers that the downward API hands out, to env and to files. */
import { parseQuantity } from '../../api/codec/quantity.ts';
import type { Container, ObjectFieldSelector, Pod, ResourceFieldSelector } from '../../api/types.gen.ts';

export interface NodeFacts {
  nodeName: string;
  hostIps: readonly string[];
  podIps: readonly string[];
  /** What a container without a limit is told. */
  allocatable: Readonly<Record<string, string>>;
}

/** Throws Error for a path that the downward API does not know. */
export function fieldValue(pod: Pod, { fieldPath }: ObjectFieldSelector, node: NodeFacts): string {
  const { metadata, spec } = pod;
  const subscript = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(fieldPath);
  if (subscript) return metadata[subscript[1] as 'labels' | 'annotations']?.[subscript[2]!] ?? '';
  switch (fieldPath) {
    case 'metadata.name':
      return metadata.name ?? '';
    case 'metadata.namespace':
      return metadata.namespace ?? '';
    case 'metadata.uid':
      return metadata.uid ?? '';
    case 'metadata.labels':
      return formatMap(metadata.labels);
    case 'metadata.annotations':
      return formatMap(metadata.annotations);
    case 'spec.nodeName':
      return node.nodeName;
    case 'spec.serviceAccountName':
      return spec?.serviceAccountName ?? '';
    case 'status.hostIP':
      return node.hostIps[0] ?? '';
    case 'status.hostIPs':
      return node.hostIps.join(',');
    case 'status.podIP':
      return node.podIps[0] ?? '';
    case 'status.podIPs':
      return node.podIps.join(',');
    default:
      throw new Error(`unsupported fieldPath: ${fieldPath}`);
  }
}

/** The amount in units of the divisor, rounded up. A limit that is not set is what the node can give; a request falls back to the limit. */
export function resourceValue(
  container: Container,
  { resource, divisor }: ResourceFieldSelector,
  allocatable: Readonly<Record<string, string>>,
): string {
  const [kind, ...rest] = resource.split('.');
  const name = rest.join('.');
  const { limits = {}, requests = {} } = container.resources ?? {};
  const amount = kind === 'limits' ? (limits[name] ?? allocatable[name]) : (requests[name] ?? limits[name]);
  if (kind !== 'limits' && kind !== 'requests') throw new Error(`unsupported container resource : ${resource}`);
  const unit = divisor && divisor !== '0' ? parseQuantity(divisor).nanos : 1_000_000_000n;
  const nanos = amount === undefined ? 0n : parseQuantity(amount).nanos;
  return String((nanos + unit - 1n) / unit);
}

/** `key="value"` lines in the order of the keys, as in upstream's FormatMap. */
function formatMap(map: Readonly<Record<string, string>> = {}): string {
  return Object.entries(map)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}
