import { deepEqual, semanticEqual } from '../../api/patch/json.ts';
import type { ClusterRole, PolicyRule } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler } from '../../client/reconcile.ts';
import { CLUSTER_ROLES } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { selectorOf } from '../pods/ownership.ts';

const FIELD_MANAGER = 'clusterrole-aggregation-controller';

/** A ClusterRole with an aggregation rule has the rules of all roles that the rule selects. */
export function createClusterRoleAggregationController(context: ComponentContext): Component[] {
  return [runReconciler(context, new ClusterRoleAggregation(context))];
}

class ClusterRoleAggregation implements Reconciler {
  readonly name = FIELD_MANAGER;
  readonly #context: ComponentContext;
  readonly #roles: Informer<ClusterRole>;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#roles = context.client.informer(CLUSTER_ROLES);
  }

  setup(queue: { add(key: string): void }): void {
    // Each role may be part of any that aggregates; there are few of those.
    const addAll = (): void => {
      for (const { metadata, aggregationRule } of this.#roles.list()) if (aggregationRule) queue.add(metadata.name!);
    };
    this.#roles.subscribe({ added: addAll, updated: addAll, deleted: addAll });
  }

  async reconcile(name: string): Promise<void> {
    const role = this.#roles.get(name);
    if (!role?.aggregationRule) return;
    const rules = this.#collect(role);
    if (semanticEqual(rules, role.rules)) return;
    const applied = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name }, rules };
    await this.#context.client.resource(CLUSTER_ROLES).apply(applied, { fieldManager: FIELD_MANAGER, force: true });
  }

  /** In the order of selectors and names, each rule once. */
  #collect({ metadata, aggregationRule }: ClusterRole): PolicyRule[] {
    const rules: PolicyRule[] = [];
    const sorted = this.#roles.list().toSorted((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1));
    for (const spec of aggregationRule?.clusterRoleSelectors ?? []) {
      const selector = selectorOf(spec);
      const chosen = sorted.filter((role) => role.metadata.name !== metadata.name && selector.matches(role));
      for (const rule of chosen.flatMap((role) => role.rules ?? [])) if (!rules.some((each) => deepEqual(each, rule))) rules.push(rule);
    }
    return rules;
  }
}
