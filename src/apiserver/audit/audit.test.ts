import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import { statusError } from '../../api/status.ts';
import { ManualClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { nonResourceInfo } from '../request-info.ts';
import { Auditor } from './audit.ts';
import type { AuditEvent } from './event.ts';
import { AuditLogFile } from './log-file.ts';
import { parseAuditPolicy } from './policy.ts';

const POLICY = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitManagedFields: true
rules:
  - level: None
    nonResourceURLs: ["/healthz*", "/version"]
  - level: None
    users: ["system:apiserver"]
  - level: RequestResponse
    namespaces: ["loud"]
    resources:
      - group: ""
        resources: ["configmaps"]
  - level: Request
    namespaces: ["loud"]
    omitStages: ["RequestReceived"]
  - level: Metadata
    users: ["kubernetes-admin", "system:anonymous", ""]
    omitStages: ["RequestReceived"]
`;

class Memory {
  readonly events: AuditEvent[] = [];
  write(event: AuditEvent): void {
    this.events.push(JSON.parse(JSON.stringify(event)) as AuditEvent);
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

let api: TestApiServer;
const sink = new Memory();
before(async () => {
  api = await startTestApiServer({ audit: { policy: parseAuditPolicy(POLICY), sink } });
});
after(() => api.close());

interface Asked {
  method?: string;
  url: string;
  body?: unknown;
  headers?: Record<string, string>;
  anonymous?: boolean;
}

interface Told {
  status: number;
  auditId: string;
  body: string;
}

function ask({ method = 'GET', url, body, headers = {}, anonymous = false }: Asked): Promise<Told> {
  const credentials = anonymous ? {} : { cert: api.pki.get('components/admin.crt')!, key: api.pki.get('components/admin.key')! };
  return new Promise((resolve, reject) => {
    const request = https.request(
      `${api.url}${url}`,
      {
        method,
        ca: api.pki.get('ca.crt')!,
        ...credentials,
        agent: false,
        headers: { 'content-type': 'application/json', 'user-agent': 'test/1', ...headers },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode!, auditId: String(response.headers['audit-id']), body: Buffer.concat(chunks).toString() }),
        );
      },
    );
    request.on('error', reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** The events of one request, in order, once the last stage is there. */
function eventsOf(auditId: string): Promise<AuditEvent[]> {
  return eventually(() => {
    const events = sink.events.filter(({ auditID }) => auditID === auditId);
    assert.ok(events.some(({ stage }) => stage === 'ResponseComplete' || stage === 'Panic'));
    return events;
  });
}

const PATH_INFO = nonResourceInfo('GET', '');
const MICRO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

/** The event without what is different each time. */
function golden({ auditID, requestReceivedTimestamp, stageTimestamp, user, ...event }: AuditEvent): object {
  const { extra, ...named } = user;
  assert.match(extra!['authentication.kubernetes.io/credential-id']![0]!, /^X509SHA256=[0-9a-f]{64}$/);
  assert.ok(auditID.length > 0);
  assert.match(requestReceivedTimestamp, MICRO);
  assert.match(stageTimestamp, MICRO);
  return { ...event, user: named };
}

const ADMIN = { username: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] };
const ALLOWED = { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': '' };
const common = { kind: 'Event', apiVersion: 'audit.k8s.io/v1', sourceIPs: ['127.0.0.1'], userAgent: 'test/1' };

test('Metadata: who did what to which object, the name of a new one too, and nothing of its content', async () => {
  const url = '/api/v1/namespaces';
  const { auditId } = await ask({ method: 'POST', url, body: { metadata: { name: 'loud' } } });
  const events = await eventsOf(auditId);
  assert.deepEqual(events.map(golden), [
    {
      ...common,
      level: 'Metadata',
      stage: 'ResponseComplete',
      requestURI: url,
      verb: 'create',
      user: ADMIN,
      objectRef: { resource: 'namespaces', name: 'loud', apiVersion: 'v1' },
      responseStatus: { metadata: {}, code: 201 },
      annotations: ALLOWED,
    },
  ]);
});

test('RequestResponse: both objects, without managed fields when the policy says so, in two stages', async () => {
  const url = '/api/v1/namespaces/loud/configmaps?fieldManager=test';
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { k: 'v' } };
  const { auditId } = await ask({ method: 'POST', url, body: object });
  const [received, complete, ...others] = await eventsOf(auditId);
  assert.deepEqual(others, []);
  assert.equal(received!.stage, 'RequestReceived');
  assert.equal(received!.requestObject, undefined);
  assert.equal(received!.responseStatus, undefined);
  assert.equal(complete!.stage, 'ResponseComplete');
  assert.deepEqual(complete!.requestObject, object);
  const { metadata, data } = complete!.responseObject as { metadata: Record<string, unknown>; data: object };
  assert.deepEqual(data, object.data);
  assert.ok(metadata['uid']);
  assert.equal(metadata['managedFields'], undefined);
  assert.deepEqual(complete!.objectRef, { resource: 'configmaps', namespace: 'loud', name: 'a', apiVersion: 'v1' });
  const list = await eventsOf((await ask({ url: '/api/v1/namespaces/loud/configmaps' })).auditId);
  const { items } = list.at(-1)!.responseObject as { items: { metadata: object }[] };
  assert.ok(items.length > 0 && items.every((item) => !('managedFields' in item.metadata)));
});

test('Request: a patch as it came, and no answer; the client may name the request', async () => {
  const url = '/api/v1/namespaces/loud/serviceaccounts';
  await ask({ method: 'POST', url, body: { metadata: { name: 'sa' } } });
  const patch = [{ op: 'add', path: '/metadata/labels', value: { a: 'b' } }];
  const headers = { 'content-type': 'application/json-patch+json', 'audit-id': 'my-own-name' };
  const { auditId } = await ask({ method: 'PATCH', url: `${url}/sa`, body: patch, headers });
  assert.equal(auditId, 'my-own-name');
  const [event] = await eventsOf('my-own-name');
  assert.deepEqual(event!.requestObject, patch);
  assert.equal(event!.responseObject, undefined);
  assert.deepEqual(event!.responseStatus, { metadata: {}, code: 200 });
});

test('a watch is written down when it begins and when it ends', async () => {
  const { auditId } = await ask({ url: '/api/v1/namespaces/loud/configmaps?watch=true&timeoutSeconds=1' });
  const events = await eventsOf(auditId);
  assert.deepEqual(
    events.map(({ stage, verb, responseStatus }) => [stage, verb, responseStatus?.code]),
    [
      ['RequestReceived', 'watch', undefined],
      ['ResponseStarted', 'watch', 200],
      ['ResponseComplete', 'watch', 200],
    ],
  );
});

test('a refusal carries its status and why it was decided so; an impersonated user stands beside the real one', async () => {
  const headers = { 'impersonate-user': 'jane', 'impersonate-group': 'devs' };
  const url = '/api/v1/nodes/n1';
  const { auditId, status } = await ask({ url, headers });
  assert.equal(status, 403);
  const [event] = await eventsOf(auditId);
  assert.deepEqual(golden(event!), {
    ...common,
    level: 'Metadata',
    stage: 'ResponseComplete',
    requestURI: url,
    verb: 'get',
    user: ADMIN,
    impersonatedUser: { username: 'jane', groups: ['devs', 'system:authenticated'] },
    objectRef: { resource: 'nodes', name: 'n1', apiVersion: 'v1' },
    responseStatus: {
      metadata: {},
      status: 'Failure',
      message: 'nodes "n1" is forbidden: User "jane" cannot get resource "nodes" in API group "" at the cluster scope',
      reason: 'Forbidden',
      details: { name: 'n1', kind: 'nodes' },
      code: 403,
    },
    annotations: { 'authorization.k8s.io/decision': 'forbid', 'authorization.k8s.io/reason': '' },
  });
});

test('what RBAC allows names the binding', async () => {
  const group = 'rbac.authorization.k8s.io';
  const roleRef = { apiGroup: group, kind: 'ClusterRole', name: 'view' };
  const subjects = [{ kind: 'User', apiGroup: group, name: 'jane' }];
  await ask({
    method: 'POST',
    url: `/apis/${group}/v1/namespaces/loud/rolebindings`,
    body: { metadata: { name: 'j' }, roleRef, subjects },
  });
  const { auditId, status } = await ask({ url: '/api/v1/namespaces/loud/pods', headers: { 'impersonate-user': 'jane' } });
  assert.equal(status, 200);
  const [event] = await eventsOf(auditId);
  assert.deepEqual(event!.annotations, {
    'authorization.k8s.io/decision': 'allow',
    'authorization.k8s.io/reason': 'RBAC: allowed by RoleBinding "j/loud" of ClusterRole "view" to User "jane"',
  });
});

test('bad credentials are one event, when the refusal is sent', async () => {
  const { auditId, status } = await ask({ url: '/api/v1/pods', anonymous: true, headers: { authorization: 'Bearer nonsense' } });
  assert.equal(status, 401);
  const event = sink.events.find(({ auditID }) => auditID === auditId)!;
  assert.deepEqual(
    [event.stage, event.user, event.responseStatus!.code, event.responseStatus!.message],
    ['ResponseStarted', {}, 401, 'Authentication failed, attempted: bearer'],
  );
});

test('what no rule names, or a rule leaves out, is not written; the answer has an Audit-ID all the same', async () => {
  const { auditId } = await ask({ url: '/healthz' });
  assert.ok(auditId.length > 30);
  await api.loopback({ name: 'somebody', groups: ['system:masters'] })({ method: 'GET', path: '/api/v1/pods' });
  assert.ok(!sink.events.some((event) => event.auditID === auditId || event.user.username === 'somebody'));
});

test('components of the same process are audited like any client', async () => {
  const before = sink.events.length;
  await api.loopback()({ method: 'GET', path: '/api/v1/namespaces/default' });
  const [event] = await eventually(() => {
    const found = sink.events.slice(before).filter(({ requestURI }) => requestURI === '/api/v1/namespaces/default');
    assert.equal(found.length, 1);
    return found;
  });
  assert.deepEqual([event!.stage, event!.verb, event!.responseStatus], ['ResponseComplete', 'get', { metadata: {}, code: 200 }]);
});

test('a fault of the server is a Panic, whatever the client is told', async () => {
  const events = new Memory();
  const policy = parseAuditPolicy('apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\nomitStages: [RequestReceived]');
  const auditor = new Auditor({ policy, sink: events, clock: new ManualClock(), log: silentLogger });
  const info = { ...PATH_INFO, path: '/broken' };
  const request = { info, user: { name: 'jane', groups: [] }, headers: {}, remoteAddress: '::ffff:10.0.0.9', auditId: 'x', url: '/broken' };
  const audit = auditor.begin(request)!;
  audit.failed(new TypeError('undefined is not a function'), statusError('InternalError', 'Internal error occurred'));
  audit.complete(500);
  audit.complete(500);
  await eventually(() => assert.equal(events.events.length, 1), { every: 5 });
  const [event] = events.events;
  assert.deepEqual(
    [event!.stage, event!.sourceIPs, event!.responseStatus!.message],
    ['Panic', ['10.0.0.9'], "APIServer panic'd: undefined is not a function"],
  );
});

describe('a policy that is wrong names its field', () => {
  const head = 'apiVersion: audit.k8s.io/v1\nkind: Policy\n';
  const cases = [
    { name: 'no rules', text: head, message: 'rules: Required value: a policy has at least one rule' },
    {
      name: 'an old version',
      text: 'apiVersion: audit.k8s.io/v1beta1\nkind: Policy',
      message: 'apiVersion: Unsupported value: "audit.k8s.io/v1beta1": supported values: "audit.k8s.io/v1"',
    },
    { name: 'no level', text: `${head}rules: [{verbs: [get]}]`, message: 'rules[0].level: Required value' },
    {
      name: 'another level',
      text: `${head}rules: [{level: None}, {level: All}]`,
      message: 'rules[1].level: Unsupported value: "All": supported values: "None", "Metadata", "Request", "RequestResponse"',
    },
    {
      name: 'another stage',
      text: `${head}omitStages: [Begun]\nrules: [{level: None}]`,
      message: 'omitStages[0]: Invalid value: "Begun": allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic',
    },
    {
      name: 'a path that is none',
      text: `${head}rules: [{level: None, nonResourceURLs: [healthz]}]`,
      message: 'rules[0].nonResourceURLs[0]: Invalid value: "healthz": non-resource URL rules must begin with a \'/\' character',
    },
    {
      name: 'a star in the middle',
      text: `${head}rules: [{level: None, nonResourceURLs: ["/a*b"]}]`,
      message:
        'rules[0].nonResourceURLs[0]: Invalid value: "/a*b": non-resource URL wildcards \'*\' must be the final character of the rule',
    },
    {
      name: 'paths and resources',
      text: `${head}rules: [{level: None, namespaces: [a], nonResourceURLs: ["/a"]}]`,
      message: 'rules[0].nonResourceURLs: Invalid value: rules cannot apply to both regular resources and non-resource URLs',
    },
    {
      name: 'names of nothing',
      text: `${head}rules: [{level: None, resources: [{group: "", resourceNames: [a]}]}]`,
      message: 'rules[0].resources[0].resourceNames: Invalid value: using resourceNames requires at least one resource',
    },
    { name: 'a misspelt field', text: `${head}rules: [{level: None, user: [a]}]`, message: 'rules[0].user: unknown field' },
    {
      name: 'a list that is none',
      text: `${head}rules: [{level: None, users: a}]`,
      message: 'rules[0].users: Invalid value: must be a list',
    },
  ];
  for (const { name, text, message } of cases)
    test(name, () => assert.throws(() => parseAuditPolicy(text), { name: 'ConfigFileError', message }));
});

describe('the first rule that matches decides', () => {
  const info = {
    isResourceRequest: true,
    verb: 'get',
    path: '',
    group: '',
    version: 'v1',
    resource: 'pods',
    subresource: '',
    namespace: 'a',
    name: 'p',
    parts: [],
  };
  const user = { name: 'jane', groups: ['devs'] };
  const cases = [
    { name: 'everything', rule: '{level: Request}', matches: true },
    { name: 'the resource', rule: '{level: Request, resources: [{resources: [pods]}]}', matches: true },
    { name: 'another group', rule: '{level: Request, resources: [{group: apps, resources: [pods]}]}', matches: false },
    { name: 'all of the group', rule: '{level: Request, resources: [{group: ""}]}', matches: true },
    { name: 'its subresource', rule: '{level: Request, resources: [{resources: [pods/log]}]}', matches: false },
    { name: 'a subresource', rule: '{level: Request, resources: [{resources: [pods]}]}', info: { subresource: 'log' }, matches: false },
    {
      name: 'any subresource of it',
      rule: '{level: Request, resources: [{resources: ["pods/*"]}]}',
      info: { subresource: 'log' },
      matches: true,
    },
    {
      name: 'a subresource of anything',
      rule: '{level: Request, resources: [{resources: ["*/log"]}]}',
      info: { subresource: 'log' },
      matches: true,
    },
    { name: 'the name', rule: '{level: Request, resources: [{resources: [pods], resourceNames: [p]}]}', matches: true },
    { name: 'another name', rule: '{level: Request, resources: [{resources: [pods], resourceNames: [q]}]}', matches: false },
    { name: 'the verb', rule: '{level: Request, verbs: [get, list]}', matches: true },
    { name: 'another verb', rule: '{level: Request, verbs: [list]}', matches: false },
    { name: 'the group of the user', rule: '{level: Request, userGroups: [ops, devs]}', matches: true },
    { name: 'another user', rule: '{level: Request, users: [joe]}', matches: false },
    { name: 'another namespace', rule: '{level: Request, namespaces: [b]}', matches: false },
    { name: 'cluster scope', rule: '{level: Request, namespaces: [""]}', info: { namespace: '' }, matches: true },
    {
      name: 'a path',
      rule: '{level: Request, nonResourceURLs: ["/livez*"]}',
      info: { isResourceRequest: false, path: '/livez/ping' },
      matches: true,
    },
    { name: 'a path for a resource', rule: '{level: Request, nonResourceURLs: ["*"]}', matches: false },
  ];
  for (const { name, rule, matches, info: change = {} } of cases)
    test(name, () => {
      const policy = parseAuditPolicy(`apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [${rule}]`);
      assert.equal(policy.decide({ user, info: { ...info, ...change } }).level, matches ? 'Request' : 'None');
    });
});

test('the file is for its owner alone, begins anew when full, and forgets the oldest', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'rockpool-audit-'));
  const clock = new ManualClock(Date.UTC(2026, 0, 31, 12));
  const file = path.join(folder, 'logs', 'audit.log');
  const log = new AuditLogFile({ path: file, maxBytes: 1000, maxBackups: 2, maxAgeMs: 0, clock, log: silentLogger });
  try {
    const event = { ...sink.events[0]!, auditID: '' };
    const size = JSON.stringify({ ...event, auditID: '0' }).length + 1;
    assert.ok(size > 500 && size < 1000, `${size}`);
    for (let number = 0; number < 5; number++) {
      log.write({ ...event, auditID: String(number) });
      await eventually(async () => assert.ok((await readFile(file, 'utf8')).includes(`"auditID":"${number}"`)));
      await clock.advance(1000);
    }
    await log.close();
    assert.deepEqual((await readdir(path.dirname(file))).toSorted(), [
      'audit-2026-01-31T12-00-03.000.log',
      'audit-2026-01-31T12-00-04.000.log',
      'audit.log',
    ]);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const ids = await Promise.all(
      (await readdir(path.dirname(file))).toSorted().map((name) => readFile(path.join(path.dirname(file), name), 'utf8')),
    );
    assert.deepEqual(
      ids.map((text) => (JSON.parse(text) as AuditEvent).auditID),
      ['2', '3', '4'],
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});
