/** What may change about a pod that exists: through the pod itself, its `ephemeralcontainers` and its `resize`. */
import { isRecord, semanticEqual } from '../patch/json.ts';
import { qosClassOf } from '../strategy/qos.ts';
import type {
  Container,
  EphemeralContainer,
  NodeAffinity,
  NodeSelectorTerm,
  Pod,
  PodSpec,
  ResourceRequirements,
  Toleration,
} from '../types.gen.ts';
import type { Problems } from './problems.ts';
import { specDiff } from './spec-diff.ts';

const FIXED =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';
const MAX_INT32 = 2 ** 31 - 1;
const MIRROR = 'kubernetes.io/config.mirror';

/** A pod's spec is a promise: only images, deadlines, added tolerations, and gates that open, may change. */
export function checkPodUpdate(problems: Problems, pod: Pod, old: Pod): void {
  const spec = pod.spec ?? { containers: [] };
  const before = old.spec ?? { containers: [] };
  if (spec === before) return;
  for (const field of ['containers', 'initContainers'] as const) {
    if ((spec[field]?.length ?? 0) !== (before[field]?.length ?? 0))
      return problems.forbidden(`spec.${field}`, 'pod updates may not add or remove containers');
  }
  if (!checkDeadlineUpdate(problems, spec.activeDeadlineSeconds, before.activeDeadlineSeconds)) return;
  checkTolerationUpdate(problems, spec.tolerations ?? [], before.tolerations ?? []);
  checkGateUpdate(problems, spec, before);
  const rest = withMutableOf(spec, before);
  if (before.schedulingGates?.length) checkGatedUpdate(problems, rest, before);
  if (!semanticEqual(rest, before)) problems.forbidden('spec', `${FIXED}\n${specDiff(rest, before)}`);
}

/** A copy of `spec` with all that may change set back to what it was. */
function withMutableOf(spec: PodSpec, before: PodSpec): PodSpec {
  const images = <T extends { image?: string }>(now: T[] | undefined, then: T[] | undefined): T[] | undefined =>
    now?.map((container, index) => ({ ...container, image: then?.[index]?.image }));
  const grace =
    (before.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1
      ? before.terminationGracePeriodSeconds
      : spec.terminationGracePeriodSeconds;
  return {
    ...spec,
    containers: images(spec.containers, before.containers)!,
    initContainers: images(spec.initContainers, before.initContainers),
    activeDeadlineSeconds: before.activeDeadlineSeconds,
    tolerations: before.tolerations,
    schedulingGates: before.schedulingGates,
    terminationGracePeriodSeconds: grace,
  };
}

/** From none to some, or from some to less. False where upstream looks no further. */
function checkDeadlineUpdate(problems: Problems, now: number | undefined, before: number | undefined): boolean {
  const path = 'spec.activeDeadlineSeconds';
  if (now === before) return true;
  if (now === undefined) problems.invalid(path, null, 'must not update from a positive integer to nil value');
  else if (now < 0 || now > MAX_INT32) problems.invalid(path, now, `must be between 0 and ${MAX_INT32}, inclusive`);
  else if (before !== undefined && now > before) problems.invalid(path, now, 'must be less than or equal to previous value');
  else return true;
  return now === undefined;
}

function checkTolerationUpdate(problems: Problems, now: readonly Toleration[], before: readonly Toleration[]): void {
  const withoutSeconds = ({ tolerationSeconds: _seconds, ...rest }: Toleration): unknown => rest;
  const kept = before.every((old) => now.some((toleration) => semanticEqual(withoutSeconds(toleration), withoutSeconds(old))));
  if (!kept) problems.forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds');
}

function checkGateUpdate(problems: Problems, spec: PodSpec, before: PodSpec): void {
  const known = new Set((before.schedulingGates ?? []).map(({ name }) => name));
  for (const [index, { name }] of (spec.schedulingGates ?? []).entries()) {
    if (!known.has(name))
      problems.forbidden(`spec.schedulingGates[${index}].name`, `only deletion is allowed, but found new scheduling gate '${name}'`);
  }
}

/** While gates hold a pod its place may be narrowed (KEP-3838). Sets what was judged here back to what it was. */
function checkGatedUpdate(problems: Problems, rest: PodSpec, before: PodSpec): void {
  if (!semanticEqual(rest.nodeSelector, before.nodeSelector)) {
    const kept = Object.entries(before.nodeSelector ?? {}).every(([key, value]) => rest.nodeSelector?.[key] === value);
    if (!kept)
      problems.invalid(
        'spec.nodeSelector',
        rest.nodeSelector ?? {},
        'only additions to spec.nodeSelector are allowed (no mutations or deletions)',
      );
    rest.nodeSelector = before.nodeSelector;
  }
  const now = rest.affinity?.nodeAffinity;
  const then = before.affinity?.nodeAffinity;
  if (semanticEqual(now, then)) return;
  checkAffinityUpdate(problems, now, then);
  const { nodeAffinity: _now, ...others } = rest.affinity ?? {};
  if (then) rest.affinity = { ...others, nodeAffinity: then };
  else if (Object.keys(others).length > 0) rest.affinity = others;
  else rest.affinity = before.affinity;
}

function checkAffinityUpdate(problems: Problems, now: NodeAffinity | undefined, before: NodeAffinity | undefined): void {
  const path = 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms';
  const oldTerms = before?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const terms = now?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  if (oldTerms.length === 0) return;
  if (terms.length !== oldTerms.length)
    return problems.invalid(path, terms, 'no additions/deletions to non-empty NodeSelectorTerms list are allowed');
  for (const [index, term] of terms.entries()) {
    if (!hasOnlyAdditions(term, oldTerms[index]!))
      problems.invalid(`${path}[${index}]`, term, 'only additions are allowed (no mutations or deletions)');
  }
}

/** Terms of a list are alternatives and what a term lists must all hold: more of it narrows. An empty term matches nothing. */
function hasOnlyAdditions(term: NodeSelectorTerm, before: NodeSelectorTerm): boolean {
  const { matchExpressions = [], matchFields = [] } = before;
  if (matchExpressions.length + matchFields.length === 0)
    return (term.matchExpressions?.length ?? 0) + (term.matchFields?.length ?? 0) === 0;
  return (
    matchExpressions.every((old) => term.matchExpressions?.some((each) => semanticEqual(each, old))) &&
    matchFields.every((old) => term.matchFields?.some((each) => semanticEqual(each, old)))
  );
}

/** The update of `ephemeralcontainers`: containers come, none changes or goes. */
export function checkEphemeralContainersUpdate(problems: Problems, pod: Pod, old: Pod): void {
  if (old.metadata.annotations?.[MIRROR] !== undefined) return problems.forbidden('', 'static pods do not support ephemeral containers');
  const path = 'spec.ephemeralContainers';
  const now = new Map((pod.spec?.ephemeralContainers ?? []).map((container) => [container.name, container]));
  for (const before of old.spec?.ephemeralContainers ?? []) {
    const same: EphemeralContainer | undefined = now.get(before.name);
    if (!same) problems.forbidden(path, `existing ephemeral containers ${JSON.stringify(before.name)} may not be removed\n`);
    else if (!semanticEqual(same, before)) {
      const change = specDiff(before, same);
      problems.forbidden(path, `existing ephemeral containers ${JSON.stringify(before.name)} may not be changed\n${change}`);
    }
  }
}

/** The update of `resize` (KEP-1287): amounts of cpu and memory, within the pod's quality of service. */
export function checkPodResize(problems: Problems, pod: Pod, old: Pod): void {
  const refusal = neverResized(old);
  if (refusal) return problems.forbidden('', refusal);
  const qos = qosClassOf(pod);
  if (qos !== (old.status?.qosClass ?? qosClassOf(old)))
    problems.invalid('spec', pod.status?.qosClass ?? '', 'Pod QOS Class may not change as a result of resizing');
  const running = old.status?.containerStatuses?.find(({ state }) => state?.running);
  if (running && !running.resources) problems.forbidden('spec', 'Pod running on node without support for resize');
  const ordered = (['containers', 'initContainers'] as const).map((field) => checkOrder(problems, field, pod, old));
  if (ordered.includes(false)) return;
  for (const [index, container] of (pod.spec?.containers ?? []).entries())
    checkContainerResize(problems, `spec.containers[${index}]`, container, old.spec!.containers[index]!);
  for (const [index, container] of (pod.spec?.initContainers ?? []).entries()) {
    const before = old.spec!.initContainers![index]!;
    if (before.restartPolicy === 'Always') checkContainerResize(problems, `spec.initContainers[${index}]`, container, before);
    else if (!semanticEqual(container.resources ?? {}, before.resources ?? {}))
      problems.forbidden('spec', 'resources for non-sidecar init containers are immutable');
  }
}

function neverResized({ metadata, spec }: Pod): string | undefined {
  if (metadata.annotations?.[MIRROR] !== undefined) return 'static pods cannot be resized';
  if (spec?.os?.name === 'windows') return 'windows pods cannot be resized';
  return spec?.resources ? 'pods with pod-level resources cannot be resized' : undefined;
}

/** Whether the containers are the same ones in the same places. */
function checkOrder(problems: Problems, field: 'containers' | 'initContainers', pod: Pod, old: Pod): boolean {
  const now = pod.spec?.[field] ?? [];
  const before = old.spec?.[field] ?? [];
  if (now.length !== before.length) {
    problems.forbidden(`spec.${field}`, `${field} may not be added or removed on resize`);
    return false;
  }
  const moved = now.findIndex(({ name }, index) => name !== before[index]!.name);
  if (moved >= 0) problems.forbidden(`spec.${field}[${moved}].name`, `${field} may not be renamed or reordered on resize`);
  return moved < 0;
}

function checkContainerResize(problems: Problems, path: string, container: Container, old: Container): void {
  for (const field of ['requests', 'limits'] as const) {
    const gone = Object.keys(old.resources?.[field] ?? {}).some((name) => container.resources?.[field]?.[name] === undefined);
    if (gone) problems.forbidden(`${path}.resources.${field}`, `resource ${field} cannot be removed`);
  }
  if (!semanticEqual(withoutCompute(container), withoutCompute(old)))
    problems.forbidden('spec', 'only cpu and memory resources are mutable');
}

function withoutCompute({ resources, ...rest }: Container): unknown {
  const strip = (amounts: ResourceRequirements['requests']): unknown => {
    const kept = Object.entries(amounts ?? {}).filter(([name]) => name !== 'cpu' && name !== 'memory');
    return kept.length > 0 ? Object.fromEntries(kept) : undefined;
  };
  const given = isRecord(resources) ? resources : {};
  return { ...rest, resources: { ...given, requests: strip(resources?.requests), limits: strip(resources?.limits) } };
}
