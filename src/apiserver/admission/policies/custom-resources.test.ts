import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../../../../test/fixtures/eventually.ts';
import type { CustomResourceDefinition, Status, ValidatingAdmissionPolicy } from '../../../api/types.gen.ts';
import { deployment, DEPLOYMENTS, on, startPolicyWorld, type PolicyWorld } from './policy-world.fixture.ts';

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const LIMITS = '/apis/example.com/v1/namespaces/default/limits';

const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'limits.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'limits', singular: 'limit', kind: 'Limit' },
    versions: ['v1', 'v2'].map((name) => ({
      name,
      served: true,
      storage: name === 'v2',
      schema: {
        openAPIV3Schema: {
          type: 'object',
          properties: {
            spec: {
              type: 'object',
              properties: {
                max: { type: 'integer' },
                note: { type: 'string', default: 'none' },
                tags: { type: 'array', items: { type: 'string' } },
              },
            },
          },
        },
      },
    })),
  },
};

const limit = (name: string, max: number): object => ({ apiVersion: 'example.com/v1', kind: 'Limit', metadata: { name }, spec: { max } });

let world: PolicyWorld;
before(async () => {
  world = await startPolicyWorld();
  await world.ok('POST', DEFINITIONS, definition);
  await eventually(
    async () => {
      const { status } = (await world.ok('GET', `${DEFINITIONS}/limits.example.com`)) as unknown as CustomResourceDefinition;
      assert.ok(status?.conditions?.some(({ type, status: value }) => type === 'Established' && value === 'True'));
    },
    { every: 5 },
  );
});
after(() => world?.close());

test('custom resources as parameters', async () => {
  await world.ok('POST', LIMITS, limit('few', 3));
  const spec = {
    paramKind: { apiVersion: 'example.com/v1', kind: 'Limit' },
    matchConstraints: on('apps', 'deployments'),
    validations: [
      {
        expression: 'object.spec.replicas <= params.spec.max',
        messageExpression: 'params.apiVersion + " says " + string(params.spec.max)',
      },
    ],
  };
  await world.validating('p', spec, { paramRef: { name: 'few', parameterNotFoundAction: 'Deny' } });
  const { body } = await world.call('POST', DEPLOYMENTS, deployment('d', 4));
  assert.match((body as Status).message!, /denied request: example\.com\/v1 says 3$/);
  await world.ok('POST', `${DEPLOYMENTS}?dryRun=All`, deployment('d', 3));
  await world.clear();
  await world.ok('DELETE', `${LIMITS}/few`);
});

test('custom resources are validated in the version that a rule names', async () => {
  const rule = { apiGroups: ['example.com'], apiVersions: ['v2'], operations: ['CREATE'], resources: ['limits'] };
  const validations = [
    { expression: 'object.apiVersion == "example.com/v2" && object.spec.max > 1' },
    { expression: 'object.spec.mx > 1 || true' },
  ];
  await world.validating('p', { matchConstraints: { resourceRules: [rule] }, validations });
  assert.equal((await world.call('POST', LIMITS, limit('one', 1))).status, 422);
  await world.ok('POST', `${LIMITS}?dryRun=All`, limit('two', 2));
  const { status } = await eventually(
    async () => {
      const policy = (await world.ok(
        'GET',
        '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/p',
      )) as ValidatingAdmissionPolicy;
      assert.ok(policy.status?.typeChecking);
      return policy;
    },
    { every: 5 },
  );
  assert.match(
    status!.typeChecking!.expressionWarnings![0]!.warning,
    /^example\.com\/v2, Kind=Limit: ERROR: <input>:1:12: undefined field 'mx'/,
  );
  await world.clear();
});

test('custom resources are mutated', async () => {
  const rule = { apiGroups: ['example.com'], apiVersions: ['v2'], operations: ['CREATE'], resources: ['limits'] };
  const configured =
    'Object{metadata: Object.metadata{labels: {"was": object.apiVersion.split("/")[1]}}, spec: Object.spec{max: object.spec.max + 1}}';
  const mutations = [
    { patchType: 'ApplyConfiguration', applyConfiguration: { expression: configured } },
    { patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: "add", path: "/spec/note", value: "patched"}]' } },
  ];
  await world.mutating('p', { matchConstraints: { resourceRules: [rule] }, mutations });
  const { apiVersion, metadata, spec } = (await world.ok('POST', `${LIMITS}?dryRun=All`, limit('m', 1))) as {
    apiVersion?: string;
    metadata: { labels?: object };
    spec?: unknown;
  };
  assert.deepEqual([apiVersion, metadata.labels, spec], ['example.com/v1', { was: 'v2' }, { max: 2, note: 'patched' }]);
  await world.clear();
});
