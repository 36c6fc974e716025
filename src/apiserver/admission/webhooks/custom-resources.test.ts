import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../../../test/fixtures/apiserver.ts';
import { startWebhookServer, type Reviewer, type WebhookServer } from '../../../../test/fixtures/webhook-server.ts';
import type { KubeObject } from '../../../api/meta.ts';
import type { ApiRequest, ApiResponse } from '../../../api/transport.ts';

/** Custom resources in two versions of different shape, between which a webhook converts: v1 has `spec.text`, v2 has `spec.words`. */
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const CONFIGURATIONS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
const at = (version: string): string => `/apis/notes.example.com/${version}/namespaces/default/notes`;
const reviewers: Record<string, Reviewer> = {};

let api: TestApiServer;
let webhooks: WebhookServer;
let converter: Server;

before(async () => {
  api = await startTestApiServer();
  webhooks = await startWebhookServer(reviewers);
  converter = createServer({ cert: api.pki.get('apiserver.crt')!, key: api.pki.get('apiserver.key')! }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => response.end(JSON.stringify(converted(JSON.parse(Buffer.concat(chunks).toString()) as Review))));
  });
  await new Promise<void>((resolve) => converter.listen(0, '127.0.0.1', resolve));
  const made = await call('POST', DEFINITIONS, definition((converter.address() as AddressInfo).port));
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const served = Promise.withResolvers<void>();
  const stop = api.server.resources.onChange(() => served.resolve());
  if (!api.server.resources.find('notes.example.com', 'v1', 'notes')) await served.promise;
  stop();
  const hook = {
    name: 'notes.example.com.hook',
    clientConfig: webhooks.at('/notes'),
    rules: [{ operations: ['*'], apiGroups: ['notes.example.com'], apiVersions: ['v1'], resources: ['notes', 'notes/*'] }],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
  };
  await call('POST', CONFIGURATIONS, { metadata: { name: 'notes' }, webhooks: [hook] });
});
after(async () => {
  await api?.close();
  await webhooks?.close();
  converter?.closeAllConnections();
  converter?.close();
});

interface Review {
  request: { uid: string; desiredAPIVersion: string; objects: KubeObject[] };
}

function converted({ request: { uid, desiredAPIVersion, objects } }: Review): object {
  const shape = (spec: { text?: string; words?: string[] }): object =>
    desiredAPIVersion.endsWith('v2') ? { words: (spec.text ?? '').split(' ') } : { text: (spec.words ?? []).join(' ') };
  const convertedObjects = objects.map((object) => ({ ...object, apiVersion: desiredAPIVersion, spec: shape(object['spec'] as object) }));
  return {
    kind: 'ConversionReview',
    apiVersion: 'apiextensions.k8s.io/v1',
    response: { uid, result: { status: 'Success' }, convertedObjects },
  };
}

function definition(port: number): object {
  const version = (name: string, properties: object): object => ({
    name,
    served: true,
    storage: name === 'v1',
    subresources: { status: {} },
    schema: {
      openAPIV3Schema: {
        type: 'object',
        properties: { spec: { type: 'object', properties }, status: { type: 'object', properties: { seen: { type: 'string' } } } },
      },
    },
  });
  const caBundle = Buffer.from(api.pki.get('ca.crt')!).toString('base64');
  return {
    metadata: { name: 'notes.notes.example.com' },
    spec: {
      group: 'notes.example.com',
      scope: 'Namespaced',
      names: { plural: 'notes', kind: 'Note' },
      versions: [
        version('v1', { text: { type: 'string' }, mood: { type: 'string', default: 'calm' } }),
        version('v2', { words: { type: 'array', items: { type: 'string' } } }),
      ],
      conversion: {
        strategy: 'Webhook',
        webhook: { conversionReviewVersions: ['v1'], clientConfig: { url: `https://127.0.0.1:${port}/convert`, caBundle } },
      },
    },
  };
}

function call(method: ApiRequest['method'], path: string, body?: unknown, contentType?: string): Promise<ApiResponse> {
  const headers = contentType ? { headers: { 'content-type': contentType } } : {};
  return api.loopback()({ method, path, ...(body === undefined ? {} : { body }), ...headers });
}

const specOf = ({ body }: ApiResponse): unknown => (body as KubeObject)['spec'];
const last = () => webhooks.seen('/notes').at(-1)!;

test('an object of another version is shown as the rule wants it, and its change comes back', async () => {
  reviewers['/notes'] = ({ object }) => ({
    patch: [{ op: 'replace', path: '/spec/text', value: `${String(object!.spec!['text'])} indeed` }],
  });
  const made = await call('POST', at('v2'), { metadata: { name: 'a' }, spec: { words: ['well'] } });
  assert.deepEqual(specOf(made), { words: ['well', 'indeed'] }, JSON.stringify(made.body));
  assert.deepEqual([last().object?.apiVersion, last().object?.spec], ['notes.example.com/v1', { text: 'well', mood: 'calm' }]);
  assert.deepEqual([last().kind.version, last().requestKind.version], ['v1', 'v2']);
});

test('what a webhook adds is pruned and defaulted', async () => {
  reviewers['/notes'] = () => ({
    patch: [
      { op: 'remove', path: '/spec/mood' },
      { op: 'add', path: '/spec/unknown', value: 1 },
    ],
  });
  const made = await call('POST', at('v1'), { metadata: { name: 'b' }, spec: { text: 'x', mood: 'wild' } });
  assert.deepEqual(specOf(made), { text: 'x', mood: 'calm' }, JSON.stringify(made.body));
});

test('what a webhook makes wrong is refused', async () => {
  reviewers['/notes'] = () => ({ patch: [{ op: 'replace', path: '/spec/text', value: 5 }] });
  const refused = await call('POST', at('v1'), { metadata: { name: 'c' }, spec: { text: 'x' } });
  assert.equal(refused.status, 422, JSON.stringify(refused.body));
});

test('a status is shown as one', async () => {
  reviewers['/notes'] = ({ subResource }) =>
    subResource === 'status' ? { patch: [{ op: 'add', path: '/status/seen', value: 'yes' }] } : {};
  await call('POST', at('v1'), { metadata: { name: 'd' }, spec: { text: 'x' } });
  const changed = await call('PATCH', `${at('v1')}/d/status`, { status: { seen: 'no' } }, 'application/merge-patch+json');
  assert.deepEqual((changed.body as KubeObject)['status'], { seen: 'yes' }, JSON.stringify(changed.body));
  assert.deepEqual([last().operation, last().subResource], ['UPDATE', 'status']);
});

test('a deletion shows what goes', async () => {
  reviewers['/notes'] = () => ({ allowed: false, message: 'stay' });
  assert.equal((await call('DELETE', `${at('v2')}/d`)).status, 400);
  assert.deepEqual([last().operation, last().object, last().oldObject?.spec?.['text']], ['DELETE', null, 'x']);
});
