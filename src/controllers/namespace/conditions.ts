import { timestamp } from '../../api/time.ts';
import type { NamespaceCondition } from '../../api/types.gen.ts';
import type { ContentReport } from './delete-content.ts';

type Verdict = Pick<NamespaceCondition, 'type' | 'status' | 'reason' | 'message'>;

/** The conditions of a namespace that is going away, in upstream's words. undefined: they say so already. */
export function mergeConditions(
  current: readonly NamespaceCondition[],
  report: ContentReport,
  now: number,
): NamespaceCondition[] | undefined {
  const lastTransitionTime = timestamp(now);
  const result = [...current];
  let changed = false;
  for (const verdict of verdicts(report)) {
    const index = result.findIndex(({ type }) => type === verdict.type);
    const before = result[index];
    if (before && before.status === verdict.status && before.message === verdict.message && before.reason === verdict.reason) continue;
    changed = true;
    if (before)
      result[index] = { ...verdict, lastTransitionTime: before.status === verdict.status ? before.lastTransitionTime : lastTransitionTime };
    else result.push({ ...verdict, lastTransitionTime });
  }
  return changed ? result : undefined;
}

function verdicts({ undiscovered, errors, remaining, finalizers }: ContentReport): Verdict[] {
  const left = remaining.map(({ resource, group, count }) => `${resource}.${group} has ${count} resource instances`).toSorted();
  const holding = [...finalizers].map(([name, count]) => `${name} in ${count} resource instances`).toSorted();
  const failing = undiscovered.map((group) => `${group}: unable to retrieve its resources`);
  return [
    failing.length > 0
      ? bad(
          'NamespaceDeletionDiscoveryFailure',
          'DiscoveryFailed',
          `Discovery failed for some groups, ${failing.length} failing: ${failing.join(', ')}`,
        )
      : good('NamespaceDeletionDiscoveryFailure', 'ResourcesDiscovered', 'All resources successfully discovered'),
    good('NamespaceDeletionGroupVersionParsingFailure', 'ParsedGroupVersions', 'All legacy kube types successfully parsed'),
    errors.length > 0
      ? bad(
          'NamespaceDeletionContentFailure',
          'ContentDeletionFailed',
          `Failed to delete all resource types, ${errors.length} remaining: ${errors.join(', ')}`,
        )
      : good('NamespaceDeletionContentFailure', 'ContentDeleted', 'All content successfully deleted, may be waiting on finalization'),
    left.length > 0
      ? bad('NamespaceContentRemaining', 'SomeResourcesRemain', `Some resources are remaining: ${left.join(', ')}`)
      : good('NamespaceContentRemaining', 'ContentRemoved', 'All content successfully removed'),
    holding.length > 0
      ? bad(
          'NamespaceFinalizersRemaining',
          'SomeFinalizersRemain',
          `Some content in the namespace has finalizers remaining: ${holding.join(', ')}`,
        )
      : good('NamespaceFinalizersRemaining', 'ContentHasNoFinalizers', 'All content-preserving finalizers finished'),
  ];
}

function good(type: string, reason: string, message: string): Verdict {
  return { type, status: 'False', reason, message };
}

function bad(type: string, reason: string, message: string): Verdict {
  return { type, status: 'True', reason, message };
}
