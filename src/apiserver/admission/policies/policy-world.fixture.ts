/** An API server, and short ways to put policies into force in it. */
import assert from 'node:assert/strict';
import { startTestApiServer } from '../../../../test/fixtures/apiserver.ts';
import type { ApiRequest, ApiResponse } from '../../../api/transport.ts';
import type { KubeObject } from '../../../api/meta.ts';
import type { Status } from '../../../api/types.gen.ts';

const GROUP = '/apis/admissionregistration.k8s.io/v1';
const VERSION = 'admissionregistration.k8s.io/v1';

export interface PolicyWorld {
  call(method: ApiRequest['method'], path: string, body?: unknown): Promise<ApiResponse>;
  /** Throws unless it is answered well. */
  ok(method: ApiRequest['method'], path: string, body?: unknown): Promise<KubeObject>;
  /** Creates a policy with one binding, named alike. */
  validating(name: string, spec: object, binding?: object): Promise<void>;
  mutating(name: string, spec: object, binding?: object): Promise<void>;
  /** Removes all policies and bindings. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export async function startPolicyWorld(): Promise<PolicyWorld> {
  const api = await startTestApiServer();
  const call: PolicyWorld['call'] = (method, path, body) =>
    api.loopback()({ method, path, ...(body === undefined ? {} : { body }), ...(method === 'PATCH' ? { headers: MERGE } : {}) });
  const ok: PolicyWorld['ok'] = async (method, path, body) => {
    const response = await call(method, path, body);
    assert.ok(response.status < 300, (response.body as Status).message);
    return response.body as KubeObject;
  };
  const inForce = async (kind: 'Validating' | 'Mutating', name: string, spec: object, binding: object): Promise<void> => {
    const resource = `${GROUP}/${kind.toLowerCase()}admissionpolic`;
    await ok('POST', `${resource}ies`, { apiVersion: VERSION, kind: `${kind}AdmissionPolicy`, metadata: { name }, spec });
    await ok('POST', `${resource}ybindings`, {
      apiVersion: VERSION,
      kind: `${kind}AdmissionPolicyBinding`,
      metadata: { name },
      spec: { policyName: name, ...binding },
    });
  };
  return {
    call,
    ok,
    validating: (name, spec, binding = {}) => inForce('Validating', name, spec, { validationActions: ['Deny'], ...binding }),
    mutating: (name, spec, binding = {}) => inForce('Mutating', name, { reinvocationPolicy: 'Never', ...spec }, binding),
    clear: async () => {
      for (const kind of ['validating', 'mutating'])
        for (const form of ['policies', 'policybindings']) await ok('DELETE', `${GROUP}/${kind}admission${form}`);
    },
    close: () => api.close(),
  };
}

const MERGE = { 'content-type': 'application/merge-patch+json' };

export const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
export const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';

/** A rule for one resource. */
export function on(group: string, resource: string, ...operations: string[]): object {
  return {
    resourceRules: [
      { apiGroups: [group], apiVersions: ['v1'], operations: operations.length > 0 ? operations : ['*'], resources: [resource] },
    ],
  };
}

export const configMap = (name: string, data: Record<string, string> = {}, labels: Record<string, string> = {}): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, labels },
  data,
});

export const deployment = (name: string, replicas = 1, spec: object = {}): object => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'i' }], ...spec } },
  },
});
