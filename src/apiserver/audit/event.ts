import type { Status } from '../../api/types.gen.ts';
import type { UserInfo } from '../../api/transport.ts';
import type { RequestInfo } from '../contract.ts';
import type { Level, Stage } from './policy.ts';

/** One line of the audit log: audit.k8s.io/v1 Event. */
export interface AuditEvent {
  kind: 'Event';
  apiVersion: 'audit.k8s.io/v1';
  level: Level;
  auditID: string;
  stage: Stage;
  requestURI: string;
  verb: string;
  user: AuditUser;
  impersonatedUser?: AuditUser;
  sourceIPs: readonly string[];
  userAgent?: string;
  objectRef?: ObjectRef;
  responseStatus?: Partial<Status>;
  requestObject?: unknown;
  responseObject?: unknown;
  /** metav1.MicroTime. */
  requestReceivedTimestamp: string;
  stageTimestamp: string;
  annotations?: Readonly<Record<string, string>>;
}

export interface AuditUser {
  username?: string;
  uid?: string;
  groups?: readonly string[];
  extra?: Readonly<Record<string, readonly string[]>>;
}

/** Which object; the name of one that is being created comes from its body. */
export interface ObjectRef {
  resource: string;
  namespace?: string;
  name?: string;
  uid?: string;
  apiGroup?: string;
  apiVersion: string;
  resourceVersion?: string;
  subresource?: string;
}

export function auditUser({ name, uid, groups, extra }: UserInfo): AuditUser {
  return {
    ...(name ? { username: name } : {}),
    ...(uid ? { uid } : {}),
    ...(groups.length > 0 ? { groups } : {}),
    ...(extra && Object.keys(extra).length > 0 ? { extra } : {}),
  };
}

interface BodyMeta {
  name?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
}

/** `body` is the request's object, where there is one: it fills what the URL does not say. */
export function objectRef(info: RequestInfo, body?: unknown): ObjectRef | undefined {
  if (!info.isResourceRequest) return undefined;
  const meta = metaOf(body);
  const namespace = info.namespace || meta.namespace;
  const name = info.name || meta.name;
  return {
    resource: info.resource,
    ...(namespace ? { namespace } : {}),
    ...(name ? { name } : {}),
    ...(meta.uid ? { uid: meta.uid } : {}),
    ...(info.group ? { apiGroup: info.group } : {}),
    apiVersion: info.version,
    ...(meta.resourceVersion ? { resourceVersion: meta.resourceVersion } : {}),
    ...(info.subresource ? { subresource: info.subresource } : {}),
  };
}

function metaOf(body: unknown): BodyMeta {
  const meta = (body as { metadata?: unknown } | null | undefined)?.metadata;
  if (typeof meta !== 'object' || meta === null) return {};
  const { name, namespace, uid, resourceVersion } = meta as Record<string, unknown>;
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  const all = { name: text(name), namespace: text(namespace), uid: text(uid), resourceVersion: text(resourceVersion) };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** The object, or the list, without who owns which of its fields. Parts are shared with what is given. */
export function withoutManagedFields(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const object = value as { metadata?: object; items?: unknown };
  const bare =
    object.metadata && 'managedFields' in object.metadata
      ? { ...object, metadata: { ...object.metadata, managedFields: undefined } }
      : object;
  return Array.isArray(bare.items) ? { ...bare, items: bare.items.map(withoutManagedFields) } : bare;
}

/** What the client had: the chain of proxies as they told it, then who spoke to us. */
export function sourceIps(headers: Readonly<Record<string, string | string[] | undefined>>, remoteAddress: string): string[] {
  const forwarded = [headers['x-forwarded-for'] ?? []].flat().flatMap((text) => text.split(',').map((part) => part.trim()));
  const real = [headers['x-real-ip'] ?? []].flat();
  const remote = remoteAddress.replace(/^::ffff:/, '');
  return [...new Set([...forwarded, ...real, remote].filter((address) => address !== ''))];
}
