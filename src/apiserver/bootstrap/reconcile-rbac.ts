/** Brings stored default roles and bindings up to date without taking away what an administrator added (upstream's auto-reconciliation). */
import { isDeepStrictEqual } from 'node:util';
import type { ClusterRole, PolicyRule, RbacV1Subject, RoleBinding } from '../../api/types.gen.ts';
import { uncovered } from '../authz/rules.ts';

const AUTOUPDATE = 'rbac.authorization.kubernetes.io/autoupdate';

type AnyRole = Pick<ClusterRole, 'apiVersion' | 'kind' | 'metadata' | 'rules' | 'aggregationRule'>;
type AnyBinding = Pick<RoleBinding, 'apiVersion' | 'kind' | 'metadata' | 'roleRef' | 'subjects'>;

/** The role to store instead of `live`, or undefined when nothing is missing in it or it is protected from updates. */
export function reconciledRole<T extends AnyRole>(live: T, wanted: T): T | undefined {
  if (live.metadata.annotations?.[AUTOUPDATE] === 'false') return undefined;
  const missing = wanted.aggregationRule ? [] : lost(wanted.rules ?? [], live.rules ?? []);
  const metadata = withLabels(live, wanted);
  const aggregated = wanted.aggregationRule && !live.aggregationRule;
  if (missing.length === 0 && !metadata && !aggregated) return undefined;
  return {
    ...live,
    metadata: metadata ?? live.metadata,
    ...(missing.length > 0 ? { rules: [...(live.rules ?? []), ...missing] } : {}),
    ...(aggregated ? { aggregationRule: wanted.aggregationRule, rules: wanted.rules } : {}),
  };
}

/** As `reconciledRole`, for subjects. `recreate`: the binding names another role, which cannot be changed in place. */
export function reconciledBinding<T extends AnyBinding>(live: T, wanted: T): { binding: T; recreate: boolean } | undefined {
  if (live.metadata.annotations?.[AUTOUPDATE] === 'false') return undefined;
  if (live.roleRef.kind !== wanted.roleRef.kind || live.roleRef.name !== wanted.roleRef.name) return { binding: wanted, recreate: true };
  const held = new Set((live.subjects ?? []).map(subjectKey));
  const missing = (wanted.subjects ?? []).filter((subject) => !held.has(subjectKey(subject)));
  const metadata = withLabels(live, wanted);
  if (missing.length === 0 && !metadata) return undefined;
  const subjects = [...(live.subjects ?? []), ...missing];
  return { binding: { ...live, metadata: metadata ?? live.metadata, ...(subjects.length > 0 ? { subjects } : {}) }, recreate: false };
}

function lost(wanted: readonly PolicyRule[], live: readonly PolicyRule[]): PolicyRule[] {
  // The stored role is nearly always the one that we wrote: equality needs no set arithmetic.
  if (isDeepStrictEqual(wanted, live)) return [];
  return uncovered(wanted, live);
}

function withLabels(live: AnyRole | AnyBinding, wanted: AnyRole | AnyBinding): AnyRole['metadata'] | undefined {
  const labels = { ...wanted.metadata.labels, ...live.metadata.labels };
  const annotations = { ...wanted.metadata.annotations, ...live.metadata.annotations };
  const same = size(labels) === size(live.metadata.labels) && size(annotations) === size(live.metadata.annotations);
  return same ? undefined : { ...live.metadata, labels, annotations };
}

const size = (record: object | undefined): number => Object.keys(record ?? {}).length;
const subjectKey = ({ kind, namespace = '', name }: RbacV1Subject): string => `${kind}/${namespace}/${name}`;
