/** Which policies a request meets, by which bindings, with which parameters: the same for validating and mutating ones. */
import { groupVersion, parseGroupVersion, type KubeObject } from '../../../api/meta.ts';
import { Budget, TOTAL_BUDGET } from '../../../api/crd/cel/budget.ts';
import { plain } from '../../../api/crd/cel/types.ts';
import type { ResourceInfo } from '../../../api/schema/schema.ts';
import type { Namespace } from '../../../api/types.gen.ts';
import type { AdmissionRequest, Authorizer } from '../../contract.ts';
import { stored, type StoredObjects } from '../../stored.ts';
import { admissionVariables } from '../matching/cel-request.ts';
import type { ConditionOutcome, MatchConditions } from '../matching/conditions.ts';
import { objectsIn, type VersionedObjects } from '../matching/versions.ts';
import type { Binding, Configured, Policy } from './catalog.ts';
import { policyMatcher } from './match.ts';
import type { PolicyMetrics } from './metrics.ts';
import { ParamError, paramsFor } from './params.ts';

export interface Invocation<P, B> {
  policy: P;
  binding: B;
  param: KubeObject | null;
  /** The resource in whose version the policy sees the objects. */
  matched: ResourceInfo;
}

/** A binding that could not be followed. */
export interface Unconfigured<P, B> {
  policy: P;
  binding: B;
  error: string;
}

export interface PolicyContext extends StoredObjects {
  authorizer: Authorizer;
}

export interface PolicyOptions extends PolicyContext {
  metrics: PolicyMetrics;
}

/** A quarter of what a policy may cost (upstream's RuntimeCELCostBudgetMatchConditions). */
const CONDITIONS_BUDGET = TOTAL_BUDGET / 4;

export class Invocations {
  readonly #context: PolicyContext;
  readonly #matches: ReturnType<typeof policyMatcher>;
  readonly #namespaces;

  constructor(context: PolicyContext) {
    this.#context = context;
    this.#matches = policyMatcher(context);
    this.#namespaces = stored<Namespace>(context, '', 'v1', 'namespaces');
  }

  /** In the order of policies, bindings and parameters. Throws StatusError 404 when the request's namespace does not exist. */
  async of<P extends Policy, B extends Binding>(
    configured: readonly Configured<P, B>[],
    request: AdmissionRequest,
  ): Promise<(Invocation<P, B> | Unconfigured<P, B>)[]> {
    const found: (Invocation<P, B> | Unconfigured<P, B>)[] = [];
    for (const { policy, bindings } of configured) {
      const matched = await this.#matches(policy.spec?.matchConstraints, request);
      if (!matched) continue;
      for (const binding of bindings) {
        if (!(await this.#matches(binding.spec?.matchResources, request))) continue;
        found.push(...(await this.#withParams({ policy, binding, matched }, request)));
      }
    }
    return found;
  }

  async #withParams<P extends Policy, B extends Binding>(
    invocation: Omit<Invocation<P, B>, 'param'>,
    request: AdmissionRequest,
  ): Promise<(Invocation<P, B> | Unconfigured<P, B>)[]> {
    const { policy, binding } = invocation;
    try {
      const params = await paramsFor(this.#context, { kind: policy.spec?.paramKind, ref: binding.spec?.paramRef, request });
      return params.map((param) => ({ ...invocation, param }));
    } catch (error) {
      if (!(error instanceof ParamError)) throw error;
      return [{ policy, binding, error: error.message }];
    }
  }

  /** Whose rules apply to an object in the chain: custom ones come as the URL shows them, built-in ones as they are stored. */
  storedForm(info: ResourceInfo): ResourceInfo {
    if (info.custom || groupVersion(info) === info.storageVersion) return info;
    const { group, version } = parseGroupVersion(info.storageVersion);
    return this.#context.resources.find(group, version, info.resource) ?? info;
  }

  /** What the expressions of policies see of a request whose objects are known in `matched`. */
  async inputs(request: AdmissionRequest, matched: ResourceInfo): Promise<Inputs> {
    const objects = await objectsIn(request, matched);
    const shared = admissionVariables({ request, matched, objects }, this.#context.authorizer);
    const namespace = await this.#namespaceOf(request);
    let namespaceObject: unknown;
    Object.defineProperty(shared, 'namespaceObject', { get: () => (namespaceObject ??= plain(namespace)) });
    return { objects, shared };
  }

  /** A Namespace is in no namespace, though its requests carry its own name. */
  async #namespaceOf({ resource, namespace }: AdmissionRequest): Promise<Namespace | null> {
    if (!namespace || (resource.group === '' && resource.resource === 'namespaces')) return null;
    return this.#namespaces.get('', namespace) ?? (await this.#namespaces.find('', namespace)) ?? null;
  }
}

export interface Inputs {
  objects: VersionedObjects;
  /** Without `params`. */
  shared: object;
}

/** The inputs of one evaluation: `params` is null where there are none. */
export function withParam({ shared }: Inputs, param: KubeObject | null): Record<string, unknown> {
  const inputs = Object.create(shared) as Record<string, unknown>;
  inputs['params'] = plain(param);
  return inputs;
}

export function meetsConditions(conditions: MatchConditions, inputs: Record<string, unknown>): ConditionOutcome {
  return new Budget(CONDITIONS_BUDGET).paying(() => conditions.evaluate(inputs));
}
