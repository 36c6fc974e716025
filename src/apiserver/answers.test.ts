/** Requests that no client of ours sends, and the words with which upstream answers them. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Agent, request as send } from 'undici';
import { startTestApiServer, type TestApiServer } from '../../test/fixtures/apiserver.ts';
import type { Status } from '../api/types.gen.ts';

let api: TestApiServer;
let agent: Agent;

before(async () => {
  api = await startTestApiServer();
  const pem = (name: string): string => api.pki.get(name)!;
  agent = new Agent({ connect: { ca: pem('ca.crt'), cert: pem('components/admin.crt'), key: pem('components/admin.key') } });
  await ask({ method: 'POST', path: '/api/v1/namespaces/default/serviceaccounts', body: { metadata: { name: 'default' } } });
  for (const name of ['a', 'b', 'c']) await ask({ method: 'POST', path: MAPS, body: { metadata: { name } } });
  await ask({ method: 'POST', path: PODS, body: POD });
  await ask({ method: 'POST', path: DEPLOYMENTS, body: DEPLOYMENT });
});
after(async () => {
  await agent?.close();
  await api?.close();
});

interface Asked {
  method?: 'DELETE' | 'GET' | 'PATCH' | 'POST' | 'PUT';
  path: string;
  body?: unknown;
  type?: string;
  accept?: string;
}

async function ask({
  method = 'GET',
  path,
  body,
  type = 'application/json',
  accept,
}: Asked): Promise<{ status: number; type: string; text: string }> {
  const answer = await send(`${api.url}${path}`, {
    method,
    dispatcher: agent,
    headers: { ...(accept ? { accept } : {}), ...(body === undefined ? {} : { 'content-type': type }) },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: answer.statusCode, type: String(answer.headers['content-type']), text: await answer.body.text() };
}

const MAPS = '/api/v1/namespaces/default/configmaps';
const PODS = '/api/v1/namespaces/default/pods';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const APPLY = 'application/apply-patch+yaml';
const POD = {
  metadata: { name: 'p' },
  spec: { containers: [{ name: 'a', image: 'nginx', resources: { requests: { cpu: '100m' } } }] },
};
const DEPLOYMENT = {
  metadata: { name: 'd' },
  spec: {
    selector: { matchLabels: { app: 'd' } },
    template: { metadata: { labels: { app: 'd' } }, spec: { containers: [{ name: 'a', image: 'nginx' }] } },
  },
};
const token = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const OBJECTS = 'application/json, application/yaml, application/vnd.kubernetes.protobuf';
const UNKNOWN = 'the body of the request was in an unknown format - accepted media types include:';

const REFUSED: (Asked & { name: string; status: number; message: string })[] = [
  {
    name: 'a list cannot begin with events',
    path: `${MAPS}?sendInitialEvents=true`,
    status: 422,
    message: 'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list',
  },
  {
    name: 'an unknown match',
    path: `${MAPS}?resourceVersion=1&resourceVersionMatch=Newest`,
    status: 422,
    message:
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Unsupported value: "Newest": supported values: "Exact", "NotOlderThan", ""',
  },
  {
    name: 'a watch is not of one revision',
    path: `${MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=Exact`,
    status: 422,
    message:
      'ListOptions.meta.k8s.io "" is invalid: [resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan, resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"]',
  },
  {
    name: 'a revision that is no number',
    path: `${MAPS}?resourceVersion=abc`,
    status: 400,
    message: 'invalid resource version: resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax',
  },
  {
    name: 'a time that is no number',
    path: `${MAPS}?timeoutSeconds=x`,
    status: 400,
    message: 'strconv.ParseInt: parsing "x": invalid syntax',
  },
  {
    name: 'a continue token of another server',
    path: `${MAPS}?continue=${token({ v: 'meta.k8s.io/v9', rv: 1, start: 'a' })}`,
    status: 400,
    message: 'invalid continue token: continue key is not valid: server does not recognize this encoded version "meta.k8s.io/v9"',
  },
  {
    name: 'a continue token from nowhere',
    path: `${MAPS}?continue=${token({ v: 'meta.k8s.io/v1', rv: 1 })}`,
    status: 400,
    message: 'invalid continue token: continue key is not valid: encoded start key empty (version meta.k8s.io/v1)',
  },
  {
    name: 'a body of no known type',
    method: 'POST',
    path: MAPS,
    type: 'text/plain',
    body: '{}',
    status: 415,
    message: `${UNKNOWN} ${OBJECTS}`,
  },
  {
    name: 'a patch is no object',
    method: 'PUT',
    path: `${MAPS}/a`,
    type: 'application/merge-patch+json',
    body: '{}',
    status: 415,
    message: `${UNKNOWN} ${OBJECTS}`,
  },
  {
    name: 'options of no known type',
    method: 'DELETE',
    path: `${MAPS}/a`,
    type: 'text/plain',
    body: '{}',
    status: 415,
    message: `${UNKNOWN} ${OBJECTS}`,
  },
  {
    name: 'a watch in YAML',
    path: `${MAPS}?watch=1`,
    accept: 'application/yaml',
    status: 406,
    message: 'only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch',
  },
  {
    name: 'a list as one object’s metadata',
    path: MAPS,
    accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
    status: 406,
    message: 'you requested PartialObjectMetadata, but the requested object is a list (*ConfigMapList)',
  },
  {
    name: 'rows with an unknown object',
    path: `${MAPS}?includeObject=All`,
    accept: 'application/json;as=Table;g=meta.k8s.io;v=v1',
    status: 400,
    message:
      "Unable to convert to Table as requested: includeObject: Invalid value: \"All\": must be 'Metadata', 'Object', 'None', or empty",
  },
  {
    name: 'force without apply',
    method: 'PATCH',
    path: `${MAPS}/a?force=true`,
    type: 'application/merge-patch+json',
    body: {},
    status: 422,
    message: 'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
  },
  {
    name: 'a manager that cannot be printed',
    method: 'POST',
    path: `${MAPS}?fieldManager=a%01`,
    body: {},
    status: 422,
    message: 'CreateOptions.meta.k8s.io "" is invalid: fieldManager: Invalid value: "a\\u0001": should only contain printable characters',
  },
  {
    name: 'a patch that leaves nothing',
    method: 'PATCH',
    path: `${MAPS}/a`,
    type: 'application/merge-patch+json',
    body: 'null',
    status: 400,
    message: 'the patched object has no metadata',
  },
  {
    name: 'a text that is no JSON',
    method: 'POST',
    path: MAPS,
    body: '{"a":tru}',
    status: 400,
    message: `the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: invalid character '}' in literal true (expecting 'e') ({"a":tru})`,
  },
  {
    name: 'a merge patch that is a list',
    method: 'PATCH',
    path: `${MAPS}/a`,
    type: 'application/merge-patch+json',
    body: [],
    status: 400,
    message: 'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}',
  },
  {
    name: 'a strategic patch that ends early',
    method: 'PATCH',
    path: `${MAPS}/a`,
    type: 'application/strategic-merge-patch+json',
    body: '{"a"',
    status: 400,
    message: 'unexpected end of JSON input',
  },
  {
    name: 'an apply of no version',
    method: 'PATCH',
    path: `${DEPLOYMENTS}/d?fieldManager=m`,
    type: APPLY,
    body: { kind: 'Deployment' },
    status: 400,
    message: 'Incorrect version specified in apply patch. Specified patch version: , expected: apps/v1',
  },
  {
    name: 'a grace period that is no number',
    method: 'DELETE',
    path: `${MAPS}/a?gracePeriodSeconds=soon`,
    status: 400,
    message: 'strconv.ParseInt: parsing "soon": invalid syntax',
  },
  {
    name: 'a finalizer that is nobody’s',
    method: 'PUT',
    path: '/api/v1/namespaces/default/finalize',
    body: { metadata: { name: 'default' }, spec: { finalizers: ['mine'] } },
    status: 422,
    message:
      'Namespace "default" is invalid: spec.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
  },
];

describe('what is refused, and how', () => {
  for (const { name, status, message, ...asked } of REFUSED) {
    test(name, async () => {
      const answer = await ask(asked);
      const told = JSON.parse(answer.text) as Status;
      assert.deepEqual([answer.status, told.message], [status, message]);
    });
  }
});

test('what the client likes best comes first', async () => {
  const { type } = await ask({ path: MAPS, accept: 'application/json;q=0.1, application/yaml;q=0.9' });
  assert.equal(type, 'application/yaml');
});

test('times are text in YAML', async () => {
  const { text } = await ask({ path: `${MAPS}/a`, accept: 'application/yaml' });
  assert.match(text, /^ {2}creationTimestamp: "\d{4}-/m);
});

describe('apply on subresources', () => {
  const apply = (path: string, body: object): ReturnType<typeof ask> => ask({ method: 'PATCH', path, type: APPLY, body });
  const owners = async (path: string): Promise<string[]> => {
    const { metadata } = JSON.parse((await ask({ path })).text) as { metadata: { managedFields: Record<string, string>[] } };
    return metadata.managedFields.map(({ manager, operation, subresource }) => `${manager} ${operation} ${subresource ?? ''}`);
  };
  const scale = (replicas: number): object => ({
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata: { name: 'd' },
    spec: { replicas },
  });

  test('scale', async () => {
    const first = await apply(`${DEPLOYMENTS}/d/scale?fieldManager=one`, scale(0));
    assert.equal(first.status, 409, first.text);
    assert.equal((await apply(`${DEPLOYMENTS}/d/scale?fieldManager=one&force=true`, scale(0))).status, 200);
    assert.ok((await owners(`${DEPLOYMENTS}/d`)).includes('one Apply scale'));
    const again = JSON.parse((await apply(`${DEPLOYMENTS}/d/scale?fieldManager=two`, scale(3))).text) as Status;
    assert.equal(again.message, 'Apply failed with 1 conflict: conflict with "one" with subresource "scale": .spec.replicas');
  });

  test('ephemeralcontainers and resize', async () => {
    const configuration = (spec: object): object => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec });
    const debug = configuration({ ephemeralContainers: [{ name: 'debug', image: 'busybox' }] });
    const larger = configuration({ containers: [{ name: 'a', resources: { requests: { cpu: '200m' } } }] });
    const answers = [
      await apply(`${PODS}/p/ephemeralcontainers?fieldManager=one`, debug),
      await apply(`${PODS}/p/resize?fieldManager=one&force=true`, larger),
    ];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200],
    );
    const all = await owners(`${PODS}/p`);
    assert.ok(all.includes('one Apply ephemeralcontainers') && all.includes('one Apply resize'), all.join('; '));
  });
});
