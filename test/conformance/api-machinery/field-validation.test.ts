import assert from 'node:assert/strict';
import type { V1JSONSchemaProps } from '@kubernetes/client-node';
import { conformance, type RawAnswer, type World } from '../harness.ts';
import { ANYTHING, define, definition, version, type Defined } from './definitions.ts';

const YAML = { 'content-type': 'application/yaml' };
const APPLY = { 'content-type': 'application/apply-patch+yaml' };

const deployments = ({ namespace }: World): string => `/apis/apps/v1/namespaces/${namespace}/deployments`;

const DEPLOYMENT = (name: string, extra: string): string => `apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
  labels:
    app: nginx
${extra}
  template:
    metadata:
      labels:
        app: nginx
    spec:
      containers:
      - name: nginx
        image: nginx:latest
`;

/** Sends with strict validation and expects a refusal whose message has all of the texts. */
async function refused(answer: Promise<RawAnswer>, ...texts: string[]): Promise<void> {
  const { status, text } = await answer;
  assert.equal(status, 400, text);
  for (const each of texts) assert.ok(text.includes(each), `${each} is not in: ${text}`);
}

async function taken(answer: Promise<RawAnswer>): Promise<void> {
  const { status, text } = await answer;
  assert.ok(status === 200 || status === 201, `${status}: ${text}`);
}

const create = (world: World, path: string, body: string, validation = 'Strict'): Promise<RawAnswer> =>
  world.request({ method: 'POST', path: `${path}?fieldValidation=${validation}`, body, headers: YAML });

const apply = (world: World, path: string, body: string): Promise<RawAnswer> =>
  world.request({ method: 'PATCH', path: `${path}?fieldManager=field_validation_mgr&fieldValidation=Strict`, body, headers: APPLY });

const SCHEMA: V1JSONSchemaProps = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        knownField1: { type: 'string' },
        cronSpec: { type: 'string' },
        ports: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['containerPort', 'protocol'],
          items: {
            type: 'object',
            required: ['containerPort', 'protocol'],
            properties: { containerPort: { type: 'integer' }, protocol: { type: 'string' }, hostPort: { type: 'integer' } },
          },
        },
      },
    },
  },
} as never;

const custom = ({ group, kind }: Defined, name: string, body: string): string => `apiVersion: ${group}/v1
kind: ${kind}
metadata:
  name: ${name}
${body}`;

conformance('api-machinery', 'FieldValidation', {}, (behaviour) => {
  behaviour('should create/apply a CR with unknown fields for CRD with no validation schema', async (world) => {
    const defined = await define(world, definition([version('v1', ANYTHING)]));
    await taken(create(world, defined.objects(), custom(defined, 'created', 'spec:\n  unknown: uk1\n  cronSpec: "* * * * */5"\n')));
    await taken(
      apply(world, `${defined.objects()}/applied`, custom(defined, 'applied', 'spec:\n  unknown: uk1\n  cronSpec: "* * * * */5"\n')),
    );
  });

  behaviour('should create/apply a valid CR for CRD with validation schema', async (world) => {
    const defined = await define(world, definition([version('v1', SCHEMA)]));
    const body = 'spec:\n  knownField1: val1\n  ports:\n  - containerPort: 8080\n    protocol: TCP\n    hostPort: 8081\n';
    await taken(create(world, defined.objects(), custom(defined, 'created', body)));
    await taken(apply(world, `${defined.objects()}/applied`, custom(defined, 'applied', body)));
  });

  behaviour('should create/apply an invalid CR with extra properties for CRD with validation schema', async (world) => {
    const defined = await define(world, definition([version('v1', SCHEMA)]));
    const body = 'spec:\n  knownField1: val1\n  extraProperty: val2\n';
    await refused(
      create(world, defined.objects(), custom(defined, 'created', body)),
      'strict decoding error',
      'unknown field \\"spec.extraProperty\\"',
    );
    const { status, text } = await apply(world, `${defined.objects()}/applied`, custom(defined, 'applied', body));
    assert.ok(status === 400 || status === 500, text);
    assert.ok(text.includes('.spec.extraProperty: field not declared in schema'), text);
  });

  behaviour('should detect duplicates in a CR when preserving unknown fields', async (world) => {
    const defined = await define(world, definition([version('v1', ANYTHING)]));
    const body = 'spec:\n  foo: foo1\n  foo: foo2\n';
    await refused(create(world, defined.objects(), custom(defined, 'created', body)), 'key \\"foo\\" already set in map');
    const json = `{"apiVersion":"${defined.group}/v1","kind":"${defined.kind}","metadata":{"name":"created"},"spec":{"foo":1,"foo":2}}`;
    const answer = world.request({ method: 'POST', path: `${defined.objects()}?fieldValidation=Strict`, body: json });
    await refused(answer, 'duplicate field \\"spec.foo\\"');
  });

  behaviour('should detect unknown and duplicate fields of a typed object', async (world) => {
    const extra = 'spec:\n  unknownField: unknown\n  replicas: 2\n  replicas: 3\n  selector:\n    matchLabels:\n      app: nginx';
    const body = DEPLOYMENT('typed', extra);
    await refused(
      create(world, deployments(world), body),
      'strict decoding error',
      'key \\"replicas\\" already set in map',
      'unknown field \\"spec.unknownField\\"',
    );
    const warned = await create(world, deployments(world), body, 'Warn');
    assert.equal(warned.status, 201, warned.text);
    const warnings = String(warned.headers['warning']);
    for (const each of ['unknown field \\"spec.unknownField\\"', 'already set in map']) assert.ok(warnings.includes(each), warnings);
    await taken(create(world, deployments(world), body.replace('name: typed', 'name: ignored'), 'Ignore'));
  });

  behaviour('should detect unknown metadata fields in both the root and embedded object of a CR', async (world) => {
    const embedded = {
      type: 'object',
      properties: {
        spec: {
          type: 'object',
          'x-kubernetes-preserve-unknown-fields': true,
          properties: {
            template: { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
          },
        },
      },
    } as never;
    const defined = await define(world, definition([version('v1', embedded)]));
    const body = `apiVersion: ${defined.group}/v1
kind: ${defined.kind}
metadata:
  name: created
  unknownMeta: unknown
spec:
  template:
    apiVersion: v1
    kind: Pod
    metadata:
      name: embedded
      unknownEmbeddedMeta: unknown
`;
    await refused(
      create(world, defined.objects(), body),
      'unknown field \\"metadata.unknownMeta\\"',
      'unknown field \\"spec.template.metadata.unknownEmbeddedMeta\\"',
    );
  });

  behaviour('should detect unknown metadata fields of a typed object', async (world) => {
    const extra = '  unknownMeta: unknown\nspec:\n  selector:\n    matchLabels:\n      app: nginx';
    await refused(
      create(world, deployments(world), DEPLOYMENT('typed', extra)),
      'strict decoding error',
      'unknown field \\"metadata.unknownMeta\\"',
    );
  });
});
