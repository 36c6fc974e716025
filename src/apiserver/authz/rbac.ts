/**
 * RBAC from memory. Bindings are filed by the subject that they name; what a user may do at one scope is compiled once into a RuleSet and
 * kept until a role or a binding changes.
 */
import type { ClusterRole, ClusterRoleBinding, PolicyRule, RbacV1Subject, Role, RoleBinding, RoleRef } from '../../api/types.gen.ts';
import type { UserInfo } from '../../api/transport.ts';
import type { Attributes, Authorizer, NonResourceRule, ResourceRule } from '../contract.ts';
import type { Stored, StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { aggregatedRules } from './aggregation.ts';
import { explainAllowed, type BindingSource } from './explain.ts';
import { RuleSet } from './rules.ts';

export interface RbacAuthorizer extends Authorizer {
  /** All rules that a user has in a namespace ('': the whole cluster), for escalation checks. */
  rules(user: UserInfo, namespace: string): readonly PolicyRule[];
  /** The rules behind a roleRef, aggregation done; undefined when the role does not exist. */
  resolve(ref: RoleRef, namespace: string): readonly PolicyRule[] | undefined;
  stop(): void;
}

/** What a user may do cluster-wide, and in each namespace that was asked about. */
interface Compiled {
  cluster: RuleSet;
  namespaces: Map<string, RuleSet>;
  /** Roles that bindings name but that are not there: said in the reason of a denial. */
  missing: Map<string, string[]>;
}

const COMPILED_LIMIT = 4096;

export function createRbacAuthorizer(objects: StoredObjects): RbacAuthorizer {
  const index = new BindingIndex(objects);
  // Identities of our own components and of one connection are the same object every time; the text key is for the rest.
  let byIdentity = new WeakMap<UserInfo, Compiled>();
  const byText = new Map<string, Compiled>();
  index.onChange = () => {
    byIdentity = new WeakMap();
    byText.clear();
  };

  const compiledFor = (user: UserInfo): Compiled => {
    let compiled = byIdentity.get(user);
    if (compiled) return compiled;
    const key = `${user.name}\n${user.groups.join('\n')}`;
    compiled = byText.get(key);
    if (!compiled) {
      const missing = new Map<string, string[]>();
      compiled = { cluster: compile(index, user, '', missing), namespaces: new Map(), missing };
      if (byText.size >= COMPILED_LIMIT) byText.clear();
      byText.set(key, compiled);
    }
    byIdentity.set(user, compiled);
    return compiled;
  };
  const inNamespace = (user: UserInfo, compiled: Compiled, namespace: string): RuleSet => {
    let rules = compiled.namespaces.get(namespace);
    if (!rules) {
      rules = compile(index, user, namespace, compiled.missing);
      compiled.namespaces.set(namespace, rules);
    }
    return rules;
  };
  const rulesOf = (user: UserInfo, namespace: string): readonly PolicyRule[] => {
    const compiled = compiledFor(user);
    return namespace ? [...compiled.cluster.rules, ...inNamespace(user, compiled, namespace).rules] : compiled.cluster.rules;
  };

  return {
    authorize({ user, info }: Attributes) {
      if (user.groups.includes('system:masters')) return ALLOWED;
      const compiled = compiledFor(user);
      if (compiled.cluster.allows(info)) return ALLOWED;
      if (info.isResourceRequest && info.namespace && inNamespace(user, compiled, info.namespace).allows(info)) return ALLOWED;
      const missing = [...(compiled.missing.get('') ?? []), ...(info.namespace ? (compiled.missing.get(info.namespace) ?? []) : [])];
      return missing.length > 0
        ? { allowed: false, reason: `RBAC: ${missing.length > 1 ? `[${missing.join(', ')}]` : missing[0]}` }
        : DENIED;
    },
    explain: (attributes) => (attributes.user.groups.includes('system:masters') ? '' : explainAllowed(index, attributes)),
    rulesFor(user, namespace) {
      // system:masters may do everything whatever roles say; what is listed is what roles say, as upstream does.
      return { ...splitRules(rulesOf(user, namespace)), incomplete: false };
    },
    rules: (user, namespace) => (user.groups.includes('system:masters') ? EVERYTHING : rulesOf(user, namespace)),
    resolve: (ref, namespace) => index.resolve(ref, namespace),
    stop: () => index.stop(),
  };
}

const ALLOWED = { allowed: true, reason: '' };
const DENIED = { allowed: false, reason: '' };
const EVERYTHING: readonly PolicyRule[] = [
  { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
  { nonResourceURLs: ['*'], verbs: ['*'] },
];

function compile(index: BindingIndex, user: UserInfo, namespace: string, missing: Map<string, string[]>): RuleSet {
  const rules: PolicyRule[] = [];
  const lost: string[] = [];
  for (const ref of index.rolesOf(user, namespace)) {
    const found = index.resolve(ref, namespace);
    if (found) rules.push(...found);
    else lost.push(`${ref.kind === 'ClusterRole' ? 'clusterrole' : 'role'}.rbac.authorization.k8s.io "${ref.name}" not found`);
  }
  if (lost.length > 0) missing.set(namespace, lost);
  return new RuleSet(rules);
}

function splitRules(rules: readonly PolicyRule[]): { resourceRules: ResourceRule[]; nonResourceRules: NonResourceRule[] } {
  const resourceRules: ResourceRule[] = [];
  const nonResourceRules: NonResourceRule[] = [];
  for (const rule of rules) {
    if (rule.resources?.length) {
      resourceRules.push({
        verbs: rule.verbs,
        apiGroups: rule.apiGroups ?? [],
        resources: rule.resources,
        resourceNames: rule.resourceNames ?? [],
      });
    }
    if (rule.nonResourceURLs?.length) nonResourceRules.push({ verbs: rule.verbs, nonResourceURLs: rule.nonResourceURLs });
  }
  return { resourceRules, nonResourceRules };
}

/** Which roles a subject is bound to, by namespace ('' for ClusterRoleBindings). Filed anew on the first question after a change. */
class BindingIndex implements BindingSource {
  onChange: () => void = () => undefined;
  readonly #clusterRoles: Stored<ClusterRole>;
  readonly #roles: Stored<Role>;
  readonly #clusterBindings: Stored<ClusterRoleBinding>;
  readonly #bindings: Stored<RoleBinding>;
  readonly #stops: (() => void)[] = [];
  #subjects: Map<string, Map<string, RoleRef[]>> | undefined;
  readonly #aggregated = new Map<string, readonly PolicyRule[]>();

  constructor(objects: StoredObjects) {
    const group = 'rbac.authorization.k8s.io';
    this.#clusterRoles = stored(objects, group, 'v1', 'clusterroles');
    this.#roles = stored(objects, group, 'v1', 'roles');
    this.#clusterBindings = stored(objects, group, 'v1', 'clusterrolebindings');
    this.#bindings = stored(objects, group, 'v1', 'rolebindings');
  }

  rolesOf(user: UserInfo, namespace: string): RoleRef[] {
    const filed = this.#filed().get(namespace);
    if (!filed) return [];
    const keys = [`User ${user.name}`, ...user.groups.map((group) => `Group ${group}`)];
    return keys.flatMap((key) => filed.get(key) ?? []);
  }

  clusterBindings(): readonly ClusterRoleBinding[] {
    return this.#clusterBindings.list();
  }

  bindings(namespace: string): readonly RoleBinding[] {
    return this.#bindings.list(namespace);
  }

  resolve(ref: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    if (ref.kind !== 'ClusterRole') return this.#role(namespace, ref.name);
    this.#filed();
    const role = this.#clusterRoles.get('', ref.name);
    if (!role?.aggregationRule) return role && (role.rules ?? []);
    let rules = this.#aggregated.get(ref.name);
    if (!rules) {
      rules = aggregatedRules(role, this.#clusterRoles.list());
      this.#aggregated.set(ref.name, rules);
    }
    return rules;
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }

  #role(namespace: string, name: string): readonly PolicyRule[] | undefined {
    const role = this.#roles.get(namespace, name);
    return role && (role.rules ?? []);
  }

  #filed(): Map<string, Map<string, RoleRef[]>> {
    if (this.#stops.length === 0) this.#subscribe();
    if (this.#subjects) return this.#subjects;
    this.#subjects = new Map();
    for (const binding of this.#clusterBindings.list()) this.#file('', binding);
    for (const binding of this.#bindings.list()) this.#file(binding.metadata.namespace!, binding);
    return this.#subjects;
  }

  #file(namespace: string, { subjects = [], roleRef }: RoleBinding | ClusterRoleBinding): void {
    let filed = this.#subjects!.get(namespace);
    if (!filed) this.#subjects!.set(namespace, (filed = new Map()));
    for (const subject of subjects) {
      const key = subjectKey(subject, namespace);
      const refs = filed.get(key);
      if (refs) refs.push(roleRef);
      else filed.set(key, [roleRef]);
    }
  }

  #subscribe(): void {
    const changed = (): void => {
      this.#subjects = undefined;
      this.#aggregated.clear();
      this.onChange();
    };
    for (const source of [this.#clusterRoles, this.#roles, this.#clusterBindings, this.#bindings])
      this.#stops.push(source.subscribe(changed));
  }
}

/** A service account's subject without a namespace means the binding's own. */
function subjectKey({ kind, name, namespace }: RbacV1Subject, bindingNamespace: string): string {
  return kind === 'ServiceAccount' ? `User system:serviceaccount:${namespace ?? bindingNamespace}:${name}` : `${kind} ${name}`;
}
