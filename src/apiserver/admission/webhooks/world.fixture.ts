import assert from 'node:assert/strict';
import { after, afterEach, before } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../../../test/fixtures/apiserver.ts';
import { startWebhookServer, type Reviewer, type WebhookServer } from '../../../../test/fixtures/webhook-server.ts';
import type { ApiRequest, ApiResponse } from '../../../api/transport.ts';
import type { Status } from '../../../api/types.gen.ts';

export const CONFIGURATIONS = '/apis/admissionregistration.k8s.io/v1';
export const MAPS = '/api/v1/namespaces/default/configmaps';
export const SERVICE_ACCOUNTS = '/api/v1/namespaces/default/serviceaccounts';

const RULE = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] };

/** Fields of a webhook, laid over one that is asked about new ConfigMaps, and its review. */
export interface Given {
  rule?: object;
  review: Reviewer;
  [field: string]: unknown;
}

export interface WebhookWorld {
  readonly api: TestApiServer;
  readonly server: WebhookServer;
  /** By path; may be changed while they are configured. */
  reviewers: Record<string, Reviewer>;
  call(method: ApiRequest['method'], path: string, body?: unknown, contentType?: string): Promise<ApiResponse>;
  /** Configures one webhook at a path of its own, which is returned; it is in force then, until the test is done. */
  validating(given: Given): Promise<string>;
  mutating(given: Given): Promise<string>;
}

/** A real API server and a real https server that reviews, for the tests of one file. */
export function webhookWorld(): WebhookWorld {
  const reviewers: Record<string, Reviewer> = {};
  const configured: string[] = [];
  let names = 0;
  let api: TestApiServer;
  let server: WebhookServer;
  before(async () => {
    api = await startTestApiServer();
    server = await startWebhookServer(reviewers, ['reviewer.default.svc']);
  });
  after(async () => {
    await api?.close();
    await server?.close();
  });
  const call: WebhookWorld['call'] = (method, path, body, contentType) => {
    const headers = contentType ? { headers: { 'content-type': contentType } } : {};
    return api.loopback()({ method, path, ...(body === undefined ? {} : { body }), ...headers });
  };
  // A list is answered when the cache has seen all that was written.
  const settled = (): Promise<ApiResponse> => call('GET', `${CONFIGURATIONS}/mutatingwebhookconfigurations`);
  afterEach(async () => {
    for (const path of configured.splice(0)) assert.equal((await call('DELETE', path)).status, 200);
    await settled();
  });
  const configure = async (type: 'mutating' | 'validating', { rule = {}, review, ...fields }: Given): Promise<string> => {
    const name = `hook-${++names}`;
    reviewers[`/${name}`] = review;
    const hook = {
      name: `${name}.example.com`,
      clientConfig: server.at(`/${name}`),
      rules: [{ ...RULE, ...rule }],
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      ...fields,
    };
    const collection = `${CONFIGURATIONS}/${type}webhookconfigurations`;
    const made = await call('POST', collection, { metadata: { name }, webhooks: [hook] });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    configured.push(`${collection}/${name}`);
    await settled();
    return `/${name}`;
  };
  return {
    get api() {
      return api;
    },
    get server() {
      return server;
    },
    reviewers,
    call,
    validating: (given) => configure('validating', given),
    mutating: (given) => configure('mutating', given),
  };
}

let maps = 0;

/** A ConfigMap with a name of its own. */
export function newMap(fields: object = {}): { metadata: { name: string } } {
  return { metadata: { name: `map-${++maps}` }, ...fields };
}

export const messageOf = ({ body }: ApiResponse): string => (body as Status).message ?? '';
export const deny: Reviewer = () => ({ allowed: false, message: 'no' });
