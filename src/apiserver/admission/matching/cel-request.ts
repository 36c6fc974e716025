/** The variables that webhooks' match conditions and admission policies share: object, oldObject, request, authorizer. */
import type { Environment } from '@marcbachmann/cel-js';
import { kubernetesEnvironment } from '../../../api/crd/cel/environment.ts';
import { plain } from '../../../api/crd/cel/types.ts';
import { declaredClass } from '../../../api/crd/cel/values.ts';
import type { GroupVersionKind } from '../../../api/meta.ts';
import type { ResourceInfo } from '../../../api/schema/schema.ts';
import type { UserInfo } from '../../../api/transport.ts';
import type { AdmissionRequest, Authorizer } from '../../contract.ts';
import { authorizerOf, declareAuthorizer } from './cel-authorizer.ts';
import { kindOf, type VersionedObjects } from './versions.ts';

/** A fresh environment with the four variables declared; objects are of unknown shape, unless `objectType` declares a type and gives its name. */
export function admissionEnvironment(objectType: (env: Environment) => string = () => 'dyn'): Environment {
  const env = kubernetesEnvironment();
  declareAuthorizer(env);
  for (const type of [GroupVersionKindType, GroupVersionResourceType, UserInfoType, RequestType]) {
    env.registerType(type.name, { ctor: type.ctor, fields: type.fields });
  }
  const type = objectType(env);
  return env.registerVariable('object', type).registerVariable('oldObject', type).registerVariable('request', RequestType.name);
}

/** One request as a rule sees it. */
export interface AdmissionSubject {
  request: AdmissionRequest;
  /** The resource in whose version the rule matched, and the objects in that version. */
  matched: ResourceInfo;
  objects: VersionedObjects;
}

/** Values for the four variables, each made when an expression first asks for it. */
export function admissionVariables({ request, matched, objects }: AdmissionSubject, authorizer: Authorizer): Record<string, unknown> {
  return lazily({
    object: () => plain(objects.object ?? null),
    oldObject: () => plain(objects.oldObject ?? null),
    request: () => requestValue(request, matched),
    authorizer: () => authorizerOf(authorizer, request),
  });
}

/** An object whose members are made when first read, once. */
function lazily(members: Readonly<Record<string, () => unknown>>): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  for (const [name, make] of Object.entries(members)) {
    Object.defineProperty(made, name, {
      enumerable: true,
      configurable: true,
      get: () => {
        const value = make();
        Object.defineProperty(made, name, { enumerable: true, value });
        return value;
      },
    });
  }
  return made;
}

interface DeclaredType {
  name: string;
  ctor: new () => object;
  fields: Readonly<Record<string, string>>;
}

function declared(name: string, fields: DeclaredType['fields']): DeclaredType {
  return { name, ctor: declaredClass(name), fields };
}

const GroupVersionKindType = declared('kubernetes.GroupVersionKind', { group: 'string', version: 'string', kind: 'string' });
const GroupVersionResourceType = declared('kubernetes.GroupVersionResource', { group: 'string', version: 'string', resource: 'string' });
const UserInfoType = declared('kubernetes.UserInfo', {
  username: 'string',
  uid: 'string',
  groups: 'list<string>',
  extra: 'map<string, list<string>>',
});
const RequestType = declared('kubernetes.AdmissionRequest', {
  kind: GroupVersionKindType.name,
  resource: GroupVersionResourceType.name,
  subResource: 'string',
  requestKind: GroupVersionKindType.name,
  requestResource: GroupVersionResourceType.name,
  requestSubResource: 'string',
  name: 'string',
  namespace: 'string',
  operation: 'string',
  userInfo: UserInfoType.name,
  dryRun: 'bool',
  options: 'dyn',
});

/** As the AdmissionReview says it: what is empty is absent (upstream's CreateAdmissionRequest). */
function requestValue(request: AdmissionRequest, matched: ResourceInfo): unknown {
  const { subresource, namespace, name, operation, dryRun, options, resource } = request;
  return filled(RequestType, {
    kind: kindValue(kindOf(matched, subresource)),
    resource: resourceValue(matched),
    subResource: subresource,
    requestKind: kindValue(kindOf(resource, subresource)),
    requestResource: resourceValue(resource),
    requestSubResource: subresource,
    name,
    namespace,
    operation,
    userInfo: userValue(request.user),
    dryRun,
    options: plain(options),
  });
}

function kindValue({ group, version, kind }: GroupVersionKind): unknown {
  return Object.assign(new GroupVersionKindType.ctor(), { group, version, kind });
}

function resourceValue({ group, version, resource }: ResourceInfo): unknown {
  return Object.assign(new GroupVersionResourceType.ctor(), { group, version, resource });
}

function userValue({ name, uid, groups, extra }: UserInfo): unknown {
  const lists = extra && new Map(Object.entries(extra).map(([key, values]) => [key, [...values]]));
  return filled(UserInfoType, { username: name, uid, groups: groups.length > 0 ? [...groups] : undefined, extra: lists });
}

function filled({ ctor }: DeclaredType, values: Readonly<Record<string, unknown>>): unknown {
  const made = new ctor() as Record<string, unknown>;
  for (const [name, value] of Object.entries(values)) if (value !== '' && value !== undefined) made[name] = value;
  return made;
}
