/** The three certificate controllers alone over https, each as its service account, against a real API server. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import { ecRequest, rsaRequest, type MadeRequest } from '../../../test/fixtures/certificate-request.ts';
import { withControllers } from '../../../test/fixtures/controller-world.ts';
import { StatusError } from '../../api/status.ts';
import type { CertificateSigningRequest } from '../../api/types.gen.ts';
import type { Client } from '../../client/client.ts';
import { createClient, withTransport } from '../../client/new-client.ts';
import { createRecorder } from '../../client/recorder.ts';
import { CERTIFICATE_SIGNING_REQUESTS, CLUSTER_ROLE_BINDINGS } from '../../client/resources.ts';
import { httpsTransport } from '../../client/transports/https.ts';
import { serviceAccountTransports } from '../../client/transports/service-account.ts';
import { waitFor } from '../../client/wait-for.ts';
import type { Component } from '../../lib/component.ts';
import { systemClock } from '../../lib/clock.ts';
import { createLogger } from '../../lib/log.ts';
import { systemRng } from '../../lib/random.ts';
import { createCertificateApprovingController } from './approving-controller.ts';
import { createCertificateCleaner } from './cleaner-controller.ts';
import { createCertificateSigningController } from './signing-controller.ts';
import { CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY_UNKNOWN } from './signers.ts';

const clock = systemClock({ unref: true });
const log = createLogger({ level: 'silent' });
const CLIENT_USAGES = ['digital signature', 'client auth'];
const SERVING_USAGES = ['digital signature', 'key encipherment', 'server auth'];

let server: TestApiServer;
let admin: Client;
const stops: (() => Promise<unknown>)[] = [];

before(async () => {
  server = await startTestApiServer();
  admin = createClient({ transport: server.loopback(), clock, log });
  const ca = server.pki.get('ca.crt')!;
  const pair = { cert: server.pki.get('components/controller-manager.crt')!, key: server.pki.get('components/controller-manager.key')! };
  const manager = httpsTransport({ server: server.url, ca, ...pair, clock });
  const anonymous = httpsTransport({ server: server.url, ca, clock });
  const client = createClient({ transport: manager.transport, clock, log });
  const as = serviceAccountTransports({ client, base: anonymous.transport, clock });
  const writer = withTransport(client, as('certificate-controller'));
  const context = {
    client: writer,
    clock,
    rng: systemRng(),
    log,
    events: createRecorder({ client: writer, clock, log, component: 'csr' }),
  };
  const clusterSigning = { caCert: ca, caKey: server.pki.get('ca.key')! };
  const controllers: Component[] = [
    ...createCertificateApprovingController(context),
    ...createCertificateSigningController(context, { clusterSigning }),
    ...createCertificateCleaner(context),
  ];
  await Promise.all(controllers.map((controller) => controller.start(new AbortController().signal)));
  stops.push(
    ...controllers.map((controller) => () => controller.stop()),
    () => client.close(),
    () => admin.close(),
    () => manager.close(),
    () => anonymous.close(),
  );
});
after(async () => {
  for (const stop of stops) await stop();
  await server.close();
});

let made = 0;

async function submit(
  { request }: MadeRequest,
  spec: { signerName: string; usages: string[]; expirationSeconds?: number },
  as: Client = admin,
): Promise<string> {
  const name = `request-${++made}`;
  await as.resource(CERTIFICATE_SIGNING_REQUESTS).create({ metadata: { name }, spec: { request, ...spec } });
  return name;
}

/** As `kubectl certificate approve` does it. */
async function approve(name: string): Promise<void> {
  const request = await admin.resource(CERTIFICATE_SIGNING_REQUESTS).get(name);
  const conditions = [
    { type: 'Approved', status: 'True', reason: 'KubectlApprove', message: 'This CSR was approved by kubectl certificate approve.' },
  ];
  await admin.resource(CERTIFICATE_SIGNING_REQUESTS).subresource(name, 'approval', 'PUT', { ...request, status: { conditions } });
}

async function settled(name: string, done: (request: CertificateSigningRequest) => boolean): Promise<CertificateSigningRequest> {
  const requests = admin.informer(CERTIFICATE_SIGNING_REQUESTS);
  const check = (): CertificateSigningRequest | undefined => {
    const request = requests.get(name);
    return request && done(request) ? request : undefined;
  };
  return waitFor(requests, check, { clock, timeoutMs: 20_000, what: `certificate request ${name}` });
}

async function certificateOf(name: string): Promise<string> {
  const request = await settled(name, ({ status }) => Boolean(status?.certificate));
  return Buffer.from(request.status!.certificate!, 'base64').toString();
}

test('an approved client certificate is issued by the cluster’s CA, and its holder is who it says', async () => {
  for (const make of [ecRequest, rsaRequest]) {
    const asked = make({ commonName: 'jane', organizations: ['devs', 'ops'] });
    const name = await submit(asked, { signerName: CLIENT, usages: CLIENT_USAGES, expirationSeconds: 3600 });
    await approve(name);
    const cert = await certificateOf(name);
    const x509 = new X509Certificate(cert);
    const ca = new X509Certificate(server.pki.get('ca.crt')!);
    assert.ok(x509.checkIssued(ca) && x509.verify(ca.publicKey));
    assert.equal(x509.ca, false);
    assert.deepEqual(x509.keyUsage, ['1.3.6.1.5.5.7.3.2']);
    const lifeMs = Date.parse(x509.validTo) - Date.now();
    assert.ok(lifeMs > 3_500_000 && lifeMs <= 3_601_000, `${lifeMs}`);
    const connection = httpsTransport({ server: server.url, ca: server.pki.get('ca.crt')!, cert, key: asked.key, clock });
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
    const { body } = await connection.transport({
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      body: review,
    });
    const { userInfo } = (body as { status: { userInfo: { username: string; groups: string[] } } }).status;
    assert.deepEqual([userInfo.username, userInfo.groups], ['jane', ['devs', 'ops', 'system:authenticated']]);
    await connection.close();
  }
});

test('conditions get their times from the server, and an answer cannot be taken back', async () => {
  const name = await submit(ecRequest({ commonName: 'x' }), { signerName: 'example.com/other', usages: CLIENT_USAGES });
  await approve(name);
  const requests = admin.resource(CERTIFICATE_SIGNING_REQUESTS);
  const request = await requests.get(name);
  const [condition] = request.status!.conditions!;
  assert.match(condition!.lastUpdateTime!, /^\d{4}-/);
  assert.match(condition!.lastTransitionTime!, /^\d{4}-/);
  assert.deepEqual([request.spec.username, request.spec.groups], ['kubernetes-admin', ['system:masters', 'system:authenticated']]);
  const denied = { ...condition!, type: 'Denied' };
  const refusals = [
    { conditions: [], message: /updates may not remove a condition of type "Approved"/ },
    { conditions: [condition, denied], message: /Approved and Denied conditions are mutually exclusive/ },
    { conditions: [condition, condition], message: /status\.conditions\[1\]\.type: Duplicate value: "Approved"/ },
    { conditions: [{ ...condition!, status: 'False' }], message: /status\.conditions\[0\]\.status: Unsupported value: "False"/ },
  ];
  for (const { conditions, message } of refusals)
    await assert.rejects(requests.subresource(name, 'approval', 'PUT', { ...request, status: { conditions } }), { message });
  await assert.rejects(requests.updateStatus({ ...request, status: { ...request.status, conditions: [condition!, denied] } }), {
    message: /may not add a condition of type "Denied"/,
  });
  await assert.rejects(requests.updateStatus({ ...request, status: { ...request.status, certificate: 'YQ==' } }), {
    message: /status\.certificate: Invalid value/,
  });
});

describe('what a signer does not sign fails with its reason', () => {
  const node = { commonName: 'system:node:n1', organizations: ['system:nodes'] };
  const cases = [
    {
      name: 'a client that would serve',
      signerName: CLIENT,
      usages: ['server auth'],
      request: { commonName: 'a' },
      message: 'invalid usage for client certificate: server auth',
    },
    {
      name: 'a client that is none',
      signerName: CLIENT,
      usages: ['digital signature'],
      request: { commonName: 'a' },
      message: 'missing required usage for client certificate: client auth',
    },
    {
      name: 'a kubelet of another group',
      signerName: KUBELET_CLIENT,
      usages: CLIENT_USAGES,
      request: { ...node, organizations: ['devs'] },
      message: 'subject organization is not system:nodes',
    },
    {
      name: 'a kubelet with names',
      signerName: KUBELET_CLIENT,
      usages: CLIENT_USAGES,
      request: { ...node, dnsNames: ['n1'] },
      message: 'DNS subjectAltNames are not allowed',
    },
    {
      name: 'a kubelet by another name',
      signerName: KUBELET_CLIENT,
      usages: CLIENT_USAGES,
      request: { ...node, commonName: 'n1' },
      message: 'subject common name does not begin with system:node:',
    },
    {
      name: 'a kubelet that serves without names',
      signerName: KUBELET_SERVING,
      usages: SERVING_USAGES,
      request: node,
      message: 'DNS or IP subjectAltName is required',
    },
    {
      name: 'a kubelet that serves a URI',
      signerName: KUBELET_SERVING,
      usages: SERVING_USAGES,
      request: { ...node, dnsNames: ['n1'], uris: ['spiffe://n1'] },
      message: 'URI subjectAltNames are not allowed',
    },
    {
      name: 'a kubelet that serves as a client',
      signerName: KUBELET_SERVING,
      usages: CLIENT_USAGES,
      request: { ...node, dnsNames: ['n1'] },
      message: 'usages did not match [digital signature server auth]',
    },
  ];
  for (const { name, signerName, usages, request, message } of cases)
    test(name, async () => {
      const submitted = await submit(rsaRequest(request), { signerName, usages });
      await approve(submitted);
      const { status } = await settled(submitted, (now) => now.status?.conditions?.some(({ type }) => type === 'Failed') === true);
      const failed = status!.conditions!.find(({ type }) => type === 'Failed')!;
      assert.deepEqual([failed.status, failed.reason, failed.message], ['True', 'SignerValidationFailure', message]);
      assert.equal(status!.certificate, undefined);
    });
});

test('serving certificates carry their names; the legacy signer signs what it is asked for, for a year', async () => {
  const node = { commonName: 'system:node:n1', organizations: ['system:nodes'], dnsNames: ['n1', 'n1.local'], ipAddresses: ['10.0.0.1'] };
  const serving = await submit(rsaRequest(node), { signerName: KUBELET_SERVING, usages: SERVING_USAGES });
  const legacy = await submit(rsaRequest({ commonName: 'any', uris: ['https://a'] }), {
    signerName: LEGACY_UNKNOWN,
    usages: ['server auth', 'client auth'],
  });
  await Promise.all([approve(serving), approve(legacy)]);
  const x509 = new X509Certificate(await certificateOf(serving));
  assert.equal(x509.subjectAltName, 'DNS:n1, DNS:n1.local, IP Address:10.0.0.1');
  assert.deepEqual(x509.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  const any = new X509Certificate(await certificateOf(legacy));
  const days = (Date.parse(any.validTo) - Date.now()) / 86_400_000;
  assert.ok(days > 364 && days <= 365.1, `${days}`);
});

test('a kubelet’s client certificate is approved by itself where RBAC says so, and only there', async () => {
  const users: { name: string; groups: string[] }[] = [
    // First: requests are looked at one after the other, so that it was seen when the others are answered.
    { name: 'system:bootstrap:ghijkl', groups: ['system:bootstrappers'] },
    { name: 'system:bootstrap:abcdef', groups: ['system:bootstrappers', 'system:bootstrappers:joiners'] },
    { name: 'system:node:n2', groups: ['system:nodes'] },
  ];
  const bindings = admin.resource(CLUSTER_ROLE_BINDINGS);
  const apiGroup = 'rbac.authorization.k8s.io';
  const bind = (name: string, role: string, group: string): Promise<unknown> =>
    bindings.create({
      metadata: { name },
      roleRef: { apiGroup, kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'Group', apiGroup, name: group }],
    });
  const prefix = 'system:certificates.k8s.io:certificatesigningrequests:';
  await bind('joiners', `${prefix}nodeclient`, 'system:bootstrappers:joiners');
  await bind('renewers', `${prefix}selfnodeclient`, 'system:nodes');
  await bind('may-ask', 'system:node-bootstrapper', 'system:bootstrappers');
  const names: string[] = [];
  for (const user of users) {
    const client = createClient({ transport: server.loopback(user), clock, log });
    const asked = ecRequest({ commonName: 'system:node:n2', organizations: ['system:nodes'] });
    names.push(await submit(asked, { signerName: KUBELET_CLIENT, usages: CLIENT_USAGES }, client));
    await client.close();
  }
  const messages: string[] = [];
  for (const name of names.slice(1)) {
    await certificateOf(name);
    const { status } = await admin.resource(CERTIFICATE_SIGNING_REQUESTS).get(name);
    const [condition] = status!.conditions!;
    assert.equal(condition!.reason, 'AutoApproved');
    messages.push(condition!.message!);
  }
  assert.deepEqual(messages, [
    'Auto approving kubelet client certificate after SubjectAccessReview.',
    'Auto approving self kubelet client certificate after SubjectAccessReview.',
  ]);
  assert.equal((await admin.resource(CERTIFICATE_SIGNING_REQUESTS).get(names[0]!)).status?.conditions, undefined);
});

test('who may not approve, does not; nobody becomes system:masters', async () => {
  const jane = createClient({ transport: server.loopback({ name: 'jane', groups: [] }), clock, log });
  const rule = {
    apiGroups: ['certificates.k8s.io'],
    resources: ['certificatesigningrequests', 'certificatesigningrequests/approval'],
    verbs: ['*'],
  };
  await admin.request({
    method: 'POST',
    path: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
    body: { metadata: { name: 'asker' }, rules: [rule] },
  });
  const apiGroup = 'rbac.authorization.k8s.io';
  await admin.resource(CLUSTER_ROLE_BINDINGS).create({
    metadata: { name: 'asker' },
    roleRef: { apiGroup, kind: 'ClusterRole', name: 'asker' },
    subjects: [{ kind: 'User', apiGroup, name: 'jane' }],
  });
  const name = await submit(ecRequest({ commonName: 'jane' }), { signerName: CLIENT, usages: CLIENT_USAGES }, jane);
  const request = await jane.resource(CERTIFICATE_SIGNING_REQUESTS).get(name);
  const status = { conditions: [{ type: 'Approved', status: 'True' }] };
  await assert.rejects(
    jane.resource(CERTIFICATE_SIGNING_REQUESTS).subresource(name, 'approval', 'PUT', { ...request, status }),
    (error) => {
      assert.ok(StatusError.is(error, 'Forbidden'));
      assert.match(error.message, /user not permitted to approve requests with signerName "kubernetes.io\/kube-apiserver-client"/);
      return true;
    },
  );
  const masters = ecRequest({ commonName: 'root', organizations: ['system:masters'] });
  await assert.rejects(submit(masters, { signerName: CLIENT, usages: CLIENT_USAGES }), /system:masters group is not allowed/);
  await jane.close();
});

test('what is done with goes: answered requests after an hour, pending ones after a day', () =>
  withControllers(async ({ api, clock: stepped, context, start, pass }) => {
    const requests = context.client.resource(CERTIFICATE_SIGNING_REQUESTS);
    const spec = { request: 'YQ==', signerName: 'example.com/x', usages: ['any'] };
    const lastUpdateTime = new Date(stepped.now()).toISOString();
    const create = async (name: string, status?: CertificateSigningRequest['status']): Promise<void> => {
      const created = await requests.create({ metadata: { name, creationTimestamp: lastUpdateTime }, spec });
      if (status) await requests.updateStatus({ ...created, status });
    };
    await start(createCertificateCleaner(context));
    await create('pending');
    await create('denied', { conditions: [{ type: 'Denied', status: 'True', lastUpdateTime }] });
    await create('failed', { conditions: [{ type: 'Failed', status: 'True', lastUpdateTime }] });
    await create('issued', { conditions: [{ type: 'Approved', status: 'True', lastUpdateTime }], certificate: 'YQ==' });
    await create('waiting', { conditions: [{ type: 'Approved', status: 'True', lastUpdateTime }] });
    const names = (): string[] => api.all(CERTIFICATE_SIGNING_REQUESTS).map(({ metadata }) => metadata.name!);
    const HOUR_MS = 3_600_000;
    await pass(HOUR_MS - 1000);
    assert.deepEqual(names(), ['pending', 'denied', 'failed', 'issued', 'waiting']);
    await pass(2000);
    assert.deepEqual(names(), ['pending', 'waiting']);
    await pass(23 * HOUR_MS + 1000);
    assert.deepEqual(names(), ['waiting']);
  }));
