/** Which of the names that definitions ask for they get: the first to be accepted in a group keeps them (upstream's naming controller). */
import { APPROVAL_ANNOTATION, isProtectedGroup } from '../../api/crd/protected-groups.ts';
import { semanticEqual } from '../../api/patch/json.ts';
import type { CustomResourceDefinition, CustomResourceDefinitionCondition, CustomResourceDefinitionNames } from '../../api/types.gen.ts';

type Status = NonNullable<CustomResourceDefinition['status']>;

/**
 * The status that `definition` should have beside the others: accepted names, and the conditions NamesAccepted, Established and, for groups of
 * Kubernetes's own, KubernetesAPIApprovalPolicyConformant. `now` is RFC 3339. The same object when nothing changes.
 */
export function statusOf(definition: CustomResourceDefinition, others: readonly CustomResourceDefinition[], now: string): Status {
  const before = definition.status ?? {};
  const { names, conflict } = acceptedNames(definition, others);
  let conditions: readonly CustomResourceDefinitionCondition[] = before.conditions ?? [];
  const set = (type: string, status: string, reason: string, message: string): void => {
    conditions = withCondition(conditions, { type, status, lastTransitionTime: now, reason, message });
  };
  const [first] = conflict;
  if (first) set('NamesAccepted', 'False', first.reason, conflict.map(({ message }) => message).join(', '));
  else set('NamesAccepted', 'True', 'NoConflicts', 'no conflicts found');
  // Once established, a definition stays so, whatever becomes of its later wishes.
  if (!isEstablished(before)) {
    if (first) set('Established', 'False', 'NotAccepted', 'not all names are accepted');
    else set('Established', 'True', 'InitialNamesAccepted', 'the initial names have been accepted');
  }
  const approval = approvalOf(definition);
  if (approval) set('KubernetesAPIApprovalPolicyConformant', approval.status, approval.reason, approval.message);
  const next: Status = { ...before, conditions: [...conditions], acceptedNames: names };
  return semanticEqual(next, before) ? before : next;
}

export function isEstablished(status: CustomResourceDefinition['status']): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === 'Established' && value === 'True') ?? false;
}

/** As upstream's SetCRDCondition: the time moves only with the status. */
export function withCondition(
  conditions: readonly CustomResourceDefinitionCondition[],
  condition: CustomResourceDefinitionCondition,
): readonly CustomResourceDefinitionCondition[] {
  const at = conditions.findIndex(({ type }) => type === condition.type);
  if (at < 0) return [...conditions, condition];
  const before = conditions[at]!;
  const next = before.status === condition.status ? { ...condition, lastTransitionTime: before.lastTransitionTime! } : condition;
  return semanticEqual(before, next) ? conditions : conditions.with(at, next);
}

interface Conflict {
  reason: string;
  message: string;
}

function acceptedNames(
  { metadata, spec, status }: CustomResourceDefinition,
  others: readonly CustomResourceDefinition[],
): { names: CustomResourceDefinitionNames; conflict: Conflict[] } {
  const resources = new Set<string>();
  const kinds = new Set<string>();
  for (const other of others) {
    const taken = other.status?.acceptedNames;
    if (other.spec.group !== spec.group || other.metadata.name === metadata.name || !taken) continue;
    for (const name of [taken.plural, taken.singular, ...(taken.shortNames ?? [])]) if (name) resources.add(name);
    for (const name of [taken.kind, taken.listKind]) if (name) kinds.add(name);
  }
  const asked = spec.names;
  const before = status?.acceptedNames;
  const conflict: Conflict[] = [];
  const names: CustomResourceDefinitionNames = { plural: '', kind: '', ...before };
  const take = <K extends keyof CustomResourceDefinitionNames>(field: K, reason: string, taken: ReadonlySet<string>): void => {
    const wanted = ([asked[field] ?? []].flat() as string[]).filter((name) => taken.has(name));
    for (const name of wanted) conflict.push({ reason, message: `${JSON.stringify(name)} is already in use` });
    if (wanted.length > 0) return;
    if (asked[field] === undefined) delete names[field];
    else names[field] = asked[field];
  };
  take('plural', 'PluralConflict', resources);
  take('singular', 'SingularConflict', resources);
  take('shortNames', 'ShortNamesConflict', resources);
  take('kind', 'KindConflict', kinds);
  take('listKind', 'ListKindConflict', kinds);
  if (asked.categories) names.categories = asked.categories;
  else delete names.categories;
  return { names, conflict };
}

/** Groups of Kubernetes's own are reviewed; a definition in one says where (KEP-1111). */
function approvalOf({ metadata, spec }: CustomResourceDefinition): { status: string; reason: string; message: string } | undefined {
  if (!isProtectedGroup(spec.group)) return undefined;
  const given = metadata.annotations?.[APPROVAL_ANNOTATION] ?? '';
  if (given.startsWith('unapproved'))
    return { status: 'False', reason: 'UnapprovedAnnotation', message: `not approved: ${JSON.stringify(given)}` };
  if (URL.canParse(given)) return { status: 'True', reason: 'ApprovedAnnotation', message: `approved in ${given}` };
  return {
    status: 'False',
    reason: given ? 'InvalidAnnotation' : 'MissingAnnotation',
    message: `protected groups must have approval annotation "${APPROVAL_ANNOTATION}", see https://github.com/kubernetes/enhancements/pull/1111`,
  };
}
