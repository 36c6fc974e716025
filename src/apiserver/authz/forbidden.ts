import type { StatusError } from '../../api/status.ts';
import { statusError } from '../../api/status.ts';
import type { Attributes } from '../contract.ts';

/** Upstream's sentence: `User "x" cannot list resource "pods" in API group "" in the namespace "default"`. */
export function forbiddenMessage({ user, info }: Attributes): string {
  const who = JSON.stringify(user.name);
  if (!info.isResourceRequest) return `User ${who} cannot ${info.verb} path ${JSON.stringify(info.path)}`;
  const resource = info.subresource ? `${info.resource}/${info.subresource}` : info.resource;
  const scope = info.namespace ? `in the namespace ${JSON.stringify(info.namespace)}` : 'at the cluster scope';
  return `User ${who} cannot ${info.verb} resource "${resource}" in API group "${info.group}" ${scope}`;
}

/** 403 for a request that the authorizer denied; `reason` is the authorizer's. */
export function forbiddenRequest(attributes: Attributes, reason: string): StatusError {
  const { info } = attributes;
  const message = forbiddenMessage(attributes);
  return forbidden(info.isResourceRequest ? info.resource : '', info.group, info.name, reason ? `${message}: ${reason}` : message);
}

/** 403 in upstream's form: `pods "web" is forbidden: …`. */
export function forbidden(resource: string, group: string, name: string, why: string): StatusError {
  const qualified = group ? `${resource}.${group}` : resource;
  const subject = !resource ? 'forbidden' : name ? `${qualified} "${name}" is forbidden` : `${qualified} is forbidden`;
  return statusError('Forbidden', `${subject}: ${why}`, {
    ...(name ? { name } : {}),
    ...(group ? { group } : {}),
    ...(resource ? { kind: resource } : {}),
  });
}
