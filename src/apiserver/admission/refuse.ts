import type { StatusError } from '../../api/status.ts';
import { forbidden } from '../authz/forbidden.ts';
import type { AdmissionRequest } from '../contract.ts';

/** 403 by a plugin: `pods "web" is forbidden: why`. An object without a name yet is called by its generateName, as upstream does. */
export function refuse(request: AdmissionRequest, why: string): StatusError {
  const { metadata } = request.object ?? {};
  const name = request.name || metadata?.name || metadata?.generateName || 'Unknown';
  return forbidden(request.resource.resource, request.resource.group, name, why);
}

/** Whether the request is on this resource itself, or on the subresource given. */
export function isFor(request: AdmissionRequest, group: string, resource: string, subresource = ''): boolean {
  return request.resource.resource === resource && request.resource.group === group && request.subresource === subresource;
}
