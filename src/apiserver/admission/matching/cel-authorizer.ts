/** `authorizer` in CEL: checks whether the requester (or a service account) may do something (KEP-3488, "Secondary Authz"). */
import type { Environment } from '@marcbachmann/cel-js';
import type { UserInfo } from '../../../api/transport.ts';
import { serviceAccountUser } from '../../authn/service-account-tokens.ts';
import type { AdmissionRequest, Authorizer, RequestInfo } from '../../contract.ts';
import { nonResourceInfo } from '../../request-info.ts';

const PREFIX = 'kubernetes.authorization';

/** Declares the variable `authorizer` and what can be asked of it. */
export function declareAuthorizer(env: Environment): void {
  env.registerType(`${PREFIX}.ResourceCheck`, { ctor: ResourceCheck, fields: {} });
  env.registerType(`${PREFIX}.GroupCheck`, { ctor: GroupCheck, fields: {} });
  env.registerType(`${PREFIX}.PathCheck`, { ctor: PathCheck, fields: {} });
  env.registerType(`${PREFIX}.Decision`, { ctor: Decision, fields: {} });
  env.registerType(`${PREFIX}.Authorizer`, { ctor: CelAuthorizer, fields: { requestResource: `${PREFIX}.ResourceCheck` } });
  env.registerVariable('authorizer', `${PREFIX}.Authorizer`);
  const method = (type: string, signature: string, handler: (self: never, ...rest: never[]) => unknown): void =>
    void env.registerFunction(`${PREFIX}.${type}.${signature}`, handler);
  method('Authorizer', `group(string): ${PREFIX}.GroupCheck`, (self: CelAuthorizer, group: string) => new GroupCheck(self, group));
  method('Authorizer', `path(string): ${PREFIX}.PathCheck`, (self: CelAuthorizer, path: string) => new PathCheck(self, path));
  method('Authorizer', `serviceAccount(string, string): ${PREFIX}.Authorizer`, (self: CelAuthorizer, namespace: string, name: string) =>
    self.as(authenticatedAccount(namespace, name)),
  );
  method(
    'GroupCheck',
    `resource(string): ${PREFIX}.ResourceCheck`,
    ({ parent, group }: GroupCheck, resource: string) => new ResourceCheck(parent, { group, resource }),
  );
  for (const field of ['subresource', 'namespace', 'name', 'fieldSelector', 'labelSelector'] as const) {
    method('ResourceCheck', `${field}(string): ${PREFIX}.ResourceCheck`, (self: ResourceCheck, value: string) => self.with(field, value));
  }
  method('ResourceCheck', `check(string): ${PREFIX}.Decision`, (self: ResourceCheck, verb: string) => self.check(verb));
  method('PathCheck', `check(string): ${PREFIX}.Decision`, (self: PathCheck, verb: string) => self.check(verb));
  method('Decision', 'allowed(): bool', ({ allowed }: Decision) => allowed);
  method('Decision', 'reason(): string', ({ reason }: Decision) => reason);
  // Ours answers from memory and cannot fail.
  method('Decision', 'errored(): bool', () => false);
  method('Decision', 'error(): string', () => '');
}

/** The value of `authorizer` for one request. */
export function authorizerOf(authorizer: Authorizer, { user, resource, subresource, namespace, name }: AdmissionRequest): unknown {
  const request = { group: resource.group, resource: resource.resource, subresource, namespace, name };
  return new CelAuthorizer(authorizer, user, request);
}

interface Asked {
  group: string;
  resource: string;
  subresource?: string;
  namespace?: string;
  name?: string;
}

class CelAuthorizer {
  readonly requestResource: ResourceCheck;
  readonly #authorizer: Authorizer;
  readonly #user: UserInfo;
  readonly #request: Asked;

  constructor(authorizer: Authorizer, user: UserInfo, request: Asked) {
    this.#authorizer = authorizer;
    this.#user = user;
    this.#request = request;
    this.requestResource = new ResourceCheck(this, request);
  }

  as(user: UserInfo): CelAuthorizer {
    return new CelAuthorizer(this.#authorizer, user, this.#request);
  }

  decide(info: Partial<RequestInfo>): Decision {
    const { allowed, reason } = this.#authorizer.authorize({ user: this.#user, info: { ...NOTHING, ...info } });
    return new Decision(allowed, reason);
  }
}

const NOTHING: RequestInfo = nonResourceInfo('', '');

class GroupCheck {
  readonly parent: CelAuthorizer;
  readonly group: string;

  constructor(parent: CelAuthorizer, group: string) {
    this.parent = parent;
    this.group = group;
  }
}

class ResourceCheck {
  readonly #parent: CelAuthorizer;
  readonly #asked: Asked;

  constructor(parent: CelAuthorizer, asked: Asked) {
    this.#parent = parent;
    this.#asked = asked;
  }

  /** Selectors are accepted and do not narrow: neither RBAC nor the node authorizer knows them. */
  with(field: 'subresource' | 'namespace' | 'name' | 'fieldSelector' | 'labelSelector', value: string): ResourceCheck {
    if (field === 'fieldSelector' || field === 'labelSelector') return this;
    return new ResourceCheck(this.#parent, { ...this.#asked, [field]: value });
  }

  check(verb: string): Decision {
    return this.#parent.decide({ ...this.#asked, isResourceRequest: true, verb, version: '*' });
  }
}

class PathCheck {
  readonly #parent: CelAuthorizer;
  readonly #path: string;

  constructor(parent: CelAuthorizer, path: string) {
    this.#parent = parent;
    this.#path = path;
  }

  check(verb: string): Decision {
    return this.#parent.decide({ verb, path: this.#path });
  }
}

class Decision {
  readonly allowed: boolean;
  readonly reason: string;

  constructor(allowed: boolean, reason: string) {
    this.allowed = allowed;
    this.reason = reason;
  }
}

function authenticatedAccount(namespace: string, name: string): UserInfo {
  const user = serviceAccountUser(namespace, { name });
  return { ...user, groups: [...user.groups, 'system:authenticated'] };
}
