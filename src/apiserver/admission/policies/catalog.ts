import type { ObjectWithMeta } from '../../../api/meta.ts';
import type { MatchCondition, MatchResources, ObjectMeta, ParamKind, ParamRef, Variable } from '../../../api/types.gen.ts';
import { stored, type Stored, type StoredObjects } from '../../stored.ts';

/** What validating and mutating policies have in common. */
export interface Policy extends ObjectWithMeta {
  metadata: ObjectMeta;
  spec?: {
    failurePolicy?: string;
    matchConditions?: MatchCondition[];
    matchConstraints?: MatchResources;
    paramKind?: ParamKind;
    variables?: Variable[];
  };
}

/** What their bindings have in common. */
export interface Binding extends ObjectWithMeta {
  metadata: ObjectMeta;
  spec?: { matchResources?: MatchResources; paramRef?: ParamRef; policyName?: string };
}

/** A policy that is in force: one without bindings is not. */
export interface Configured<P, B> {
  policy: P;
  bindings: readonly B[];
}

/** The policies of one kind with their bindings, put together again when one of them changed. */
export class PolicyCatalog<P extends Policy, B extends Binding> {
  readonly #policies: Stored<P>;
  readonly #bindings: Stored<B>;
  #configured: readonly Configured<P, B>[] | undefined;
  #isSubscribed = false;

  constructor(objects: StoredObjects, resources: { policies: string; bindings: string }) {
    this.#policies = stored<P>(objects, 'admissionregistration.k8s.io', 'v1', resources.policies);
    this.#bindings = stored<B>(objects, 'admissionregistration.k8s.io', 'v1', resources.bindings);
  }

  /** By name, and so the bindings of each: what is asked in a fixed order answers the same every time. Asked for every write, so it must cost nothing. */
  get configured(): readonly Configured<P, B>[] {
    return (this.#configured ??= this.#join());
  }

  #join(): readonly Configured<P, B>[] {
    if (!this.#isSubscribed) {
      this.#isSubscribed = true;
      const forget = (): void => void (this.#configured = undefined);
      this.#policies.subscribe(forget);
      this.#bindings.subscribe(forget);
    }
    const byPolicy = Map.groupBy(this.#bindings.list().toSorted(byName), ({ spec }) => spec?.policyName ?? '');
    return this.#policies
      .list()
      .toSorted(byName)
      .flatMap((policy) => {
        const bindings = byPolicy.get(policy.metadata.name ?? '');
        return bindings ? [{ policy, bindings }] : [];
      });
  }
}

function byName(a: ObjectWithMeta, b: ObjectWithMeta): number {
  return (a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1;
}
