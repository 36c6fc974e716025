import type { ContainerStatus, Job, Pod, PodFailurePolicyRule } from '../../api/types.gen.ts';

export type FailureAction = 'FailJob' | 'FailIndex' | 'Ignore' | 'Count';

export interface Verdict {
  action: FailureAction;
  /** Why, for FailJob. */
  message?: string;
}

/** What the first rule that matches a failed pod says; "Count" where none does (KEP-3329). */
export function failureActionFor(job: Job, pod: Pod): Verdict {
  // A pod that is only being deleted has no exit codes yet.
  if (pod.status?.phase !== 'Failed') return { action: 'Count' };
  for (const [index, rule] of (job.spec?.podFailurePolicy?.rules ?? []).entries()) {
    const why = matching(rule, pod);
    if (why) return { action: rule.action as FailureAction, message: `${why} matching ${rule.action} rule at index ${index}` };
  }
  return { action: 'Count' };
}

function matching(rule: PodFailurePolicyRule, pod: Pod): string | undefined {
  const { metadata, status } = pod;
  const name = `${metadata.namespace}/${metadata.name}`;
  if (rule.onExitCodes) {
    const container = containers(pod).find((each) => matchesExitCode(rule.onExitCodes!, each));
    if (!container) return undefined;
    return `Container ${container.name} for pod ${name} failed with exit code ${container.state!.terminated!.exitCode}`;
  }
  const pattern = rule.onPodConditions?.find(({ type, status: wanted = 'True' }) =>
    status?.conditions?.some((each) => each.type === type && each.status === wanted),
  );
  return pattern && `Pod ${name} has condition ${pattern.type}`;
}

function containers({ status }: Pod): ContainerStatus[] {
  return [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
}

/** Exit code 0 is no failure, whatever NotIn says. */
function matchesExitCode(
  { containerName, operator, values }: NonNullable<PodFailurePolicyRule['onExitCodes']>,
  { name, state }: ContainerStatus,
): boolean {
  const code = state?.terminated?.exitCode;
  if (code === undefined || code === 0 || (containerName && containerName !== name)) return false;
  return values.includes(code) === (operator === 'In');
}
