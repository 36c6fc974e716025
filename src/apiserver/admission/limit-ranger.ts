import type { KubeObject } from '../../api/meta.ts';
import type { Container, LimitRange, LimitRangeItem, PodSpec } from '../../api/types.gen.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../contract.ts';
import type { StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { claimProblems, podProblems } from './limit-constraints.ts';
import { isFor, refuse } from './refuse.ts';

const ANNOTATION = 'kubernetes.io/limit-ranger';

type Resources = Record<string, string>;

/** Gives containers the namespace's default requests and limits, and holds pods and claims to its minima, maxima and ratios. */
export function limitRanger(objects: StoredObjects): AdmissionPlugin {
  const ranges = stored<LimitRange>(objects, '', 'v1', 'limitranges');
  return {
    name: 'LimitRanger',
    mutate(request) {
      if (request.operation !== 'CREATE' || !isFor(request, '', 'pods')) return undefined;
      return ranges
        .list(request.namespace)
        .reduce<KubeObject | undefined>((pod, range) => withDefaults(pod ?? request.object!, range) ?? pod, undefined);
    },
    validate(request) {
      const limited = limits(request);
      if (!limited) return;
      for (const range of ranges.list(request.namespace)) {
        const problems = (range.spec?.limits ?? []).flatMap(limited);
        if (problems.length > 0) throw refuse(request, problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]`);
      }
    },
  };
}

/** What a limit is checked against; undefined where limits do not concern the request. A pod's resources change by resize only. */
function limits(request: AdmissionRequest): ((limit: LimitRangeItem) => string[]) | undefined {
  const { operation, object } = request;
  if (!object) return undefined;
  if ((operation === 'CREATE' && isFor(request, '', 'pods')) || (operation === 'UPDATE' && isFor(request, '', 'pods', 'resize'))) {
    return (limit) => podProblems(object, limit);
  }
  if ((operation === 'CREATE' || operation === 'UPDATE') && isFor(request, '', 'persistentvolumeclaims')) {
    return (limit) => claimProblems(object, limit);
  }
  return undefined;
}

function withDefaults(pod: KubeObject, range: LimitRange): KubeObject | undefined {
  const item = range.spec?.limits?.filter(({ type }) => type === 'Container') ?? [];
  const limitDefaults: Resources = Object.assign({}, ...item.map((limit) => (limit as { default?: Resources }).default));
  const requestDefaults: Resources = Object.assign({}, ...item.map(({ defaultRequest }) => defaultRequest));
  const notes: string[] = [];
  const complete =
    (kind: string) =>
    (container: Container): Container => {
      const { limits = {}, requests = {} } = container.resources ?? {};
      const [addedLimits, addedRequests] = [missing(limitDefaults, limits), missing(requestDefaults, requests)];
      for (const [what, added] of [
        ['request', addedRequests],
        ['limit', addedLimits],
      ] as const) {
        const names = Object.keys(added).toSorted();
        if (names.length > 0) notes.push(`${names.join(', ')} ${what} for ${kind} ${container.name}`);
      }
      return {
        ...container,
        resources: { ...container.resources, ...merged('limits', limits, addedLimits), ...merged('requests', requests, addedRequests) },
      };
    };
  // What is missing is for validation to say, which comes later.
  const spec = (pod['spec'] ?? {}) as Partial<PodSpec>;
  const containers = (spec.containers ?? []).map(complete('container'));
  const initContainers = spec.initContainers?.map(complete('init container'));
  if (notes.length === 0) return undefined;
  const annotations = { ...pod.metadata.annotations, [ANNOTATION]: `LimitRanger plugin set: ${notes.join('; ')}` };
  return {
    ...pod,
    metadata: { ...pod.metadata, annotations },
    spec: { ...spec, containers, ...(initContainers ? { initContainers } : {}) },
  };
}

function missing(defaults: Resources, own: Resources): Resources {
  return Object.fromEntries(Object.entries(defaults).filter(([name]) => own[name] === undefined));
}

function merged(field: 'limits' | 'requests', own: Resources, added: Resources): { limits?: Resources; requests?: Resources } {
  return Object.keys(own).length + Object.keys(added).length > 0 ? { [field]: { ...own, ...added } } : {};
}
