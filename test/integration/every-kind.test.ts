/** Every built-in kind with every field set: what a client stored comes back, in JSON and in protobuf. */
import assert from 'node:assert/strict';
import https from 'node:https';
import { after, before, describe, test } from 'node:test';
import { decodeProtobuf, encodeProtobuf } from '../../src/api/codec/protobuf.ts';
import { decodeObject } from '../../src/api/decode.ts';
import type { KubeObject } from '../../src/api/meta.ts';
import type { ResourceInfo } from '../../src/api/schema/schema.ts';
import { builtinResources, schemaOf } from '../../src/api/scheme.ts';
import { startTestApiServer, type TestApiServer } from '../fixtures/apiserver.ts';
import { fieldsIn, fieldsOf, lostOf, sampleOf, variantsOf } from './every-field.ts';
import { NAMES, NEVER_KEPT } from './field-values.ts';

const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const stored = builtinResources().filter((info) => info.verbs.includes('create') && info.storagePrefix !== '' && !info.offByDefault);

let api: TestApiServer;
let agent: https.Agent;

before(async () => {
  api = await startTestApiServer();
  const file = (name: RegExp): string => [...api.pki].find(([path]) => name.test(path))![1];
  agent = new https.Agent({ keepAlive: true, ca: file(/^ca\.crt$/), cert: file(/admin\.crt$/), key: file(/admin\.key$/) });
  const runtimeClass = { metadata: { name: 'runtimeclassname' }, handler: 'runc', overhead: { podFixed: { cpu: '1' } } };
  await send('POST', '/apis/node.k8s.io/v1/runtimeclasses', { body: JSON.stringify(runtimeClass) });
  const priorityClass = { metadata: { name: 'priorityclassname' }, value: 7 };
  await send('POST', '/apis/scheduling.k8s.io/v1/priorityclasses', { body: JSON.stringify(priorityClass) });
});
after(async () => {
  agent?.destroy();
  await api?.close();
});

interface Sent {
  body?: Buffer | string;
  type?: string;
  accept?: string;
}

function send(method: string, path: string, { body, type = 'application/json', accept = 'application/json' }: Sent = {}): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const headers = { accept, ...(body === undefined ? {} : { 'content-type': type, 'content-length': String(Buffer.byteLength(body)) }) };
    const request = https.request(`${api.url}${path}`, { method, headers, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const bytes = Buffer.concat(chunks);
        if (response.statusCode! < 300) resolve(bytes);
        else reject(new Error(`${method} ${path}: ${response.statusCode} ${bytes.toString('utf8', 0, 4000)}`));
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

const parsed = (bytes: Buffer): KubeObject => JSON.parse(bytes.toString()) as KubeObject;

/** A namespace for each kind: limits and quotas of one test are none of another's. */
const namespaceOf = ({ group, version, resource }: ResourceInfo): string => `${resource}-${version}-${group.replaceAll('.', '-')}x`;

function collectionOf(info: ResourceInfo): string {
  const { group, version, namespaced, resource } = info;
  return `/${group ? `apis/${group}` : 'api'}/${version}/${namespaced ? `namespaces/${namespaceOf(info)}/` : ''}${resource}`;
}

async function makeNamespace(info: ResourceInfo): Promise<void> {
  const name = namespaceOf(info);
  const labels = { 'resource.kubernetes.io/admin-access': 'true' };
  await send('POST', '/api/v1/namespaces', { body: JSON.stringify({ metadata: { name, labels } }) });
  const account = { metadata: { name: 'robot' } };
  await send('POST', `/api/v1/namespaces/${name}/serviceaccounts`, { body: JSON.stringify(account) });
}

/** The kind's object, as it may be sent: in its canonical form, so that what comes back can be compared word by word. */
function objectOf(info: ResourceInfo, variant: number): KubeObject {
  const sample = sampleOf(info.schema, { variant, kind: info.kind }) as KubeObject;
  if (info.namespaced) sample.metadata.namespace = namespaceOf(info);
  for (const field of ['involvedObject', 'regarding']) {
    // An event is in the namespace of what it is about.
    const about = sample[field] as { namespace?: string } | undefined;
    if (about) about.namespace = namespaceOf(info);
  }
  sample.metadata.name = NAMES[info.kind]?.(variant) ?? `every-field-${variant}`;
  const { object } = decodeObject({ ...sample, apiVersion: apiVersionOf(info), kind: info.kind }, info.schema, {
    fieldValidation: 'Strict',
  });
  return object;
}

const apiVersionOf = ({ group, version }: ResourceInfo): string => (group ? `${group}/${version}` : version);

/** Stores it (odd variants as protobuf), its status too, and gives back what the server then has. */
async function store(info: ResourceInfo, object: KubeObject, asProtobuf: boolean): Promise<KubeObject> {
  const form = (value: KubeObject): Sent =>
    asProtobuf ? { body: encodeProtobuf(value, info.schema), type: PROTOBUF } : { body: JSON.stringify(value) };
  const created = parsed(await send('POST', `${collectionOf(info)}?fieldValidation=Strict`, form(object)));
  if (!info.subresources.some(({ name }) => name === 'status')) return created;
  return withStatus(info, created, (live) => form({ ...live, status: object['status'] }));
}

/** Tries again when somebody else was faster: the server itself writes the status of some kinds (definitions). */
async function withStatus(info: ResourceInfo, created: KubeObject, form: (live: KubeObject) => Sent): Promise<KubeObject> {
  const path = `${collectionOf(info)}/${created.metadata.name}`;
  for (let live = created; ; live = parsed(await send('GET', path))) {
    try {
      return parsed(await send('PUT', `${path}/status?fieldValidation=Strict`, form(live)));
    } catch (error) {
      if (!/: 409 /.test((error as Error).message)) throw error;
    }
  }
}

/** The object in JSON and in protobuf, at one revision: the server writes some kinds itself (aggregated roles). */
async function readBoth(path: string): Promise<[KubeObject, KubeObject]> {
  for (;;) {
    const json = parsed(await send('GET', path));
    const { object: binary } = decodeProtobuf(await send('GET', path, { accept: PROTOBUF }), schemaOf);
    if (binary.metadata.resourceVersion === json.metadata.resourceVersion) return [json, binary];
  }
}

describe('every field of every kind is kept', () => {
  for (const info of stored) {
    test(`${apiVersionOf(info)} ${info.kind}`, async () => {
      const shown = new Set<string>();
      if (info.namespaced) await makeNamespace(info);
      for (let variant = 0; variant < variantsOf(info.schema); variant++) {
        const object = objectOf(info, variant);
        const answered = await store(info, object, variant % 2 === 1);
        const path = `${collectionOf(info)}/${answered.metadata.name}`;
        const [json, binary] = await readBoth(path);
        const { metadata, ...rest } = object;
        if (info.kind === 'CustomResourceDefinition') delete rest['status']; // the server's own
        assert.deepEqual(lostOf({ ...rest, metadata: keptMetadata(metadata) }, json), []);
        assert.deepEqual(decodeObject(binary, info.schema, { fieldValidation: 'Strict' }).object, withoutClaimTypes(json));
        fieldsIn(json, info.schema, shown);
      }
      const missing = [...fieldsOf(info.schema)].filter(
        (field) => !shown.has(field) && !NEVER_KEPT.has(field) && !NEVER_KEPT.has(`${info.kind}:${field}`),
      );
      assert.deepEqual(missing, []);
    });
  }
});

test('every field that an ephemeral container may have is kept', async () => {
  const pods = stored.find(({ resource }) => resource === 'pods')!;
  const spec = pods.schema.fields!['spec']!.schema;
  const containers = spec.fields!['ephemeralContainers']!.schema;
  const [container] = sampleOf(containers, { variant: 0, kind: 'Pod' }) as Record<string, unknown>[];
  // What needs a pod's planning or its readiness (upstream's allow-list leaves these out).
  for (const name of ['lifecycle', 'livenessProbe', 'ports', 'readinessProbe', 'resizePolicy', 'resources', 'startupProbe'])
    delete container![name];
  container!['targetContainerName'] = 'c';
  for (const mount of container!['volumeMounts'] as { subPath?: string; subPathExpr?: string }[]) {
    delete mount.subPath;
    delete mount.subPathExpr;
  }
  const collection = '/api/v1/namespaces/default/pods';
  await send('POST', '/api/v1/namespaces/default/serviceaccounts', { body: JSON.stringify({ metadata: { name: 'robot' } }) });
  const volumes = [{ name: 'data', emptyDir: {} }];
  const pod = { metadata: { name: 'p' }, spec: { serviceAccountName: 'robot', containers: [{ name: 'c', image: 'c' }], volumes } };
  const created = parsed(await send('POST', collection, { body: JSON.stringify(pod) }));
  const debugged = { ...created, spec: { ...(created['spec'] as object), ephemeralContainers: [container] } };
  await send('PUT', `${collection}/p/ephemeralcontainers`, { body: JSON.stringify(debugged) });
  const json = parsed(await send('GET', `${collection}/p`));
  assert.deepEqual(lostOf({ ephemeralContainers: [container] }, json['spec']), []);
  const { object } = decodeProtobuf(await send('GET', `${collection}/p`, { accept: PROTOBUF }), schemaOf);
  assert.deepEqual(decodeObject(object, pods.schema, { fieldValidation: 'Strict' }).object, json);
});

/** What of metadata is the client's to say. */
function keptMetadata({ name, labels, annotations, finalizers, ownerReferences }: KubeObject['metadata']): object {
  return { name, labels, annotations, finalizers, ownerReferences };
}

/** Objects within others say their type in JSON; in protobuf they have no fields for it. */
function withoutClaimTypes(object: KubeObject): KubeObject {
  const spec = object['spec'] as { volumeClaimTemplates?: object[] } | undefined;
  if (object.kind !== 'StatefulSet' || !spec?.volumeClaimTemplates) return object;
  const volumeClaimTemplates = spec.volumeClaimTemplates.map((claim): Partial<KubeObject> => ({ ...claim }));
  for (const claim of volumeClaimTemplates) {
    delete claim.apiVersion;
    delete claim.kind;
  }
  return { ...object, spec: { ...spec, volumeClaimTemplates } };
}
