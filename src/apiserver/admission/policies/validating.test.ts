import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import type { ApiResponse } from '../../../api/transport.ts';
import type { Status } from '../../../api/types.gen.ts';
import { CONFIG_MAPS, configMap, deployment, DEPLOYMENTS, on, startPolicyWorld, type PolicyWorld } from './policy-world.fixture.ts';

let world: PolicyWorld;
before(async () => {
  world = await startPolicyWorld();
});
after(() => world?.close());
afterEach(() => world.clear());

async function denied(response: Promise<ApiResponse>, message: string, code = 422): Promise<Status> {
  const { status, body } = await response;
  assert.equal((body as Status).message, message);
  assert.equal(status, code);
  return body as Status;
}

describe('a validation', () => {
  test('denies in upstream’s words, with 422 and a cause', async () => {
    await world.validating('few', {
      matchConstraints: on('apps', 'deployments'),
      validations: [{ expression: 'object.spec.replicas <= 5' }],
    });
    const text = "ValidatingAdmissionPolicy 'few' with binding 'few' denied request: failed expression: object.spec.replicas <= 5";
    const status = await denied(world.call('POST', DEPLOYMENTS, deployment('many', 6)), `deployments.apps "many" is forbidden: ${text}`);
    assert.equal(status.reason, 'Invalid');
    assert.deepEqual(status.details?.causes, [{ message: text }]);
    await world.ok('POST', DEPLOYMENTS, deployment('web', 5));
    await denied(world.call('PATCH', `${DEPLOYMENTS}/web`, { spec: { replicas: 7 } }), `deployments.apps "web" is forbidden: ${text}`);
  });

  const outcomes: [string, object, string | undefined][] = [
    ['holds', { expression: 'object.data.k == "v"' }, undefined],
    ['has a message', { expression: 'false', message: ' not like this ' }, 'not like this'],
    ['has a message that is an expression', { expression: 'false', messageExpression: '"no " + object.data.k', message: 'unused' }, 'no v'],
    ['has a message expression that fails', { expression: 'false', messageExpression: 'object.data.none', message: 'used' }, 'used'],
    [
      'cannot be evaluated',
      { expression: 'object.data.none == "v"' },
      `expression 'object.data.none == "v"' resulted in error: no such key: none`,
    ],
    [
      'sees the request',
      {
        expression:
          'request.operation == "CREATE" && request.resource.resource == "configmaps" && request.namespace == "default" && request.userInfo.username == "kubernetes-admin" && !request.dryRun',
      },
      undefined,
    ],
    [
      'sees the namespace',
      {
        expression:
          'namespaceObject.metadata.name == "default" && namespaceObject.metadata.labels["kubernetes.io/metadata.name"] == "default"',
      },
      undefined,
    ],
    ['sees that there was nothing before', { expression: 'oldObject == null' }, undefined],
    [
      'asks the authorizer',
      {
        expression:
          'authorizer.group("").resource("pods").namespace("default").check("create").allowed() && !authorizer.serviceAccount("default", "default").group("").resource("pods").check("create").allowed() && authorizer.requestResource.check("delete").allowed() && authorizer.path("/healthz").check("get").allowed()',
      },
      undefined,
    ],
    [
      'costs too much',
      { expression: 'range.all(a, range.all(b, range.all(c, a + b + c >= 0)))'.replaceAll('range', 'variables.range') },
      "expression 'variables.range.all(a, variables.range.all(b, variables.range.all(c, a + b + c >= 0)))' resulted in error: operation cancelled: actual cost limit exceeded",
    ],
    [
      'runs into a bad pattern',
      { expression: '("a" + "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab").matches("(a+)+$")' },
      'expression \'("a" + "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab").matches("(a+)+$")\' resulted in error: operation cancelled: actual cost limit exceeded',
    ],
  ];
  for (const [name, validation, message] of outcomes) {
    test(name, async () => {
      const list = `[${Array.from({ length: 300 }, (_, index) => index).join(', ')}]`;
      await world.validating('p', {
        matchConstraints: on('', 'configmaps'),
        variables: [{ name: 'range', expression: list }],
        validations: [validation],
      });
      const response = world.call('POST', `${CONFIG_MAPS}?fieldManager=t`, configMap('cm', { k: 'v' }));
      if (message === undefined) assert.equal((await response).status, 201, JSON.stringify((await response).body));
      else
        await denied(response, `configmaps "cm" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: ${message}`);
      await world.clear();
      await world.call('DELETE', `${CONFIG_MAPS}/cm`);
    });
  }

  const reasons: [string, number][] = [
    ['Unauthorized', 401],
    ['Forbidden', 403],
    ['RequestEntityTooLarge', 413],
    ['Invalid', 422],
  ];
  for (const [reason, code] of reasons) {
    test(`the reason ${reason} is answered with ${code}`, async () => {
      await world.validating('p', {
        matchConstraints: on('', 'configmaps'),
        validations: [{ expression: 'false', message: 'no', reason }],
      });
      const { status, body } = await world.call('POST', CONFIG_MAPS, configMap('cm'));
      assert.deepEqual([status, (body as Status).code, (body as Status).reason], [code, code, reason]);
    });
  }

  test('deletion shows what goes', async () => {
    await world.ok('POST', CONFIG_MAPS, configMap('kept', { keep: 'yes' }));
    await world.validating('p', {
      matchConstraints: on('', 'configmaps', 'DELETE'),
      validations: [{ expression: 'object == null && !has(oldObject.data.keep)' }],
    });
    await denied(
      world.call('DELETE', `${CONFIG_MAPS}/kept`),
      `configmaps "kept" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: failed expression: object == null && !has(oldObject.data.keep)`,
    );
    await world.clear();
    await world.ok('DELETE', `${CONFIG_MAPS}/kept`);
  });

  test('a status of a Deployment is no Deployment', async () => {
    await world.ok('POST', DEPLOYMENTS, deployment('statused'));
    await world.validating('p', { matchConstraints: on('apps', 'deployments'), validations: [{ expression: 'false' }] });
    await world.ok('PATCH', `${DEPLOYMENTS}/statused/status`, { status: { replicas: 1 } });
    await world.clear();
    await world.validating('p', {
      matchConstraints: on('apps', 'deployments/status'),
      validations: [{ expression: 'object.status.replicas < 2' }],
    });
    assert.equal((await world.call('PATCH', `${DEPLOYMENTS}/statused/status`, { status: { replicas: 2 } })).status, 422);
  });
});

describe('variables', () => {
  const spec = (...variables: [string, string][]): object => ({
    matchConstraints: on('apps', 'deployments'),
    variables: variables.map(([name, expression]) => ({ name, expression })),
    validations: [{ expression: 'variables.total <= 10', messageExpression: '"total is " + string(variables.total)' }],
  });
  test('build on each other', async () => {
    await world.validating('p', spec(['replicas', 'object.spec.replicas'], ['total', 'variables.replicas * 3']));
    await denied(
      world.call('POST', DEPLOYMENTS, deployment('v', 4)),
      `deployments.apps "v" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: total is 12`,
    );
    await world.ok('POST', DEPLOYMENTS, deployment('v', 3));
  });
  test('that nobody reads are not evaluated', async () => {
    await world.validating('p', spec(['bad', 'object.spec.none.of.it'], ['total', '1']));
    await world.ok('POST', DEPLOYMENTS, deployment('lazy'));
  });
  test('that fail say so', async () => {
    await world.validating('p', spec(['total', 'object.spec.none']));
    await denied(
      world.call('POST', DEPLOYMENTS, deployment('f')),
      `deployments.apps "f" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: expression 'variables.total <= 10' resulted in error: composited variable "total" fails to evaluate: no such key: none`,
    );
  });
});

describe('what decides whether a policy is asked', () => {
  const deny = (more: object): object => ({ matchConstraints: on('', 'configmaps'), validations: [{ expression: 'false' }], ...more });
  const constraints = (more: object): object => ({ matchConstraints: { ...on('', 'configmaps'), ...more } });
  const cases: [string, object, object, boolean][] = [
    ['a rule', {}, {}, true],
    ['another resource', { matchConstraints: on('', 'secrets') }, {}, false],
    ['an exclusion', constraints({ excludeResourceRules: [{ ...ruleOf(on('', 'configmaps')), resourceNames: ['cm'] }] }), {}, false],
    [
      'an exclusion of another',
      constraints({ excludeResourceRules: [{ ...ruleOf(on('', 'configmaps')), resourceNames: ['other'] }] }),
      {},
      true,
    ],
    ['labels of the namespace', constraints({ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'other' } } }), {}, false],
    ['labels of the object', constraints({ objectSelector: { matchLabels: { app: 'web' } } }), {}, true],
    ['other labels of the object', constraints({ objectSelector: { matchLabels: { app: 'db' } } }), {}, false],
    ['the binding', {}, { matchResources: { objectSelector: { matchLabels: { app: 'db' } } } }, false],
    ['a condition', { matchConditions: [{ name: 'c', expression: '!has(object.data)' }] }, {}, false],
    ['conditions that all hold', { matchConditions: [{ name: 'c', expression: 'request.name == "cm"' }] }, {}, true],
    ['a condition that fails', { matchConditions: [{ name: 'c', expression: 'object.none == 1' }] }, {}, true],
    [
      'a condition that fails, ignored',
      { failurePolicy: 'Ignore', matchConditions: [{ name: 'c', expression: 'object.none == 1' }] },
      {},
      false,
    ],
    ['an expression that fails, ignored', { failurePolicy: 'Ignore', validations: [{ expression: 'object.none == 1' }] }, {}, false],
    ['a warning', {}, { validationActions: ['Warn'] }, false],
    ['a note', {}, { validationActions: ['Audit'] }, false],
  ];
  for (const [name, spec, binding, isDenied] of cases) {
    test(name, async () => {
      await world.validating('p', deny(spec), binding);
      const { status } = await world.call('POST', `${CONFIG_MAPS}?dryRun=All`, configMap('cm', { k: 'v' }, { app: 'web' }));
      assert.equal(status, isDenied ? 422 : 201);
    });
  }

  test('a policy without a binding is not in force', async () => {
    await world.validating('p', deny({}), { policyName: 'other' });
    await world.ok('POST', `${CONFIG_MAPS}?dryRun=All`, configMap('cm'));
  });

  test('another version of the same resource', async () => {
    const hpa = (replicas: number): object => ({
      apiVersion: 'autoscaling/v1',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'h' },
      spec: { maxReplicas: replicas, targetCPUUtilizationPercentage: 50, scaleTargetRef: { kind: 'Deployment', name: 'd' } },
    });
    const rule = { apiGroups: ['autoscaling'], apiVersions: ['v2'], operations: ['*'], resources: ['horizontalpodautoscalers'] };
    const spec = (matchPolicy: string): object => ({
      matchConstraints: { resourceRules: [rule], matchPolicy },
      validations: [{ expression: 'object.apiVersion != "autoscaling/v2" || object.spec.metrics.size() == 0' }],
    });
    const path = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers?dryRun=All';
    await world.validating('p', spec('Equivalent'));
    assert.equal((await world.call('POST', path, hpa(2))).status, 422);
    await world.clear();
    await world.validating('p', spec('Exact'));
    assert.equal((await world.call('POST', path, hpa(2))).status, 201);
  });

  test('policies do not judge policies', async () => {
    const everything = { resourceRules: [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*'] }] };
    await world.validating('p', { matchConstraints: everything, validations: [{ expression: 'false' }] });
    await world.clear();
    await world.ok('POST', `${CONFIG_MAPS}?dryRun=All`, configMap('cm'));
  });
});

function ruleOf(constraints: object): object {
  return (constraints as { resourceRules: object[] }).resourceRules[0]!;
}

describe('parameters', () => {
  const spec = {
    paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
    matchConstraints: on('apps', 'deployments'),
    validations: [
      { expression: 'params == null || object.spec.replicas <= int(params.data.max)', messageExpression: '"at most " + params.data.max' },
    ],
  };
  const prefix = `deployments.apps "d" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request:`;
  const dry = `${DEPLOYMENTS}?dryRun=All`;

  test('by name, in the namespace of the request', async () => {
    await world.ok('POST', CONFIG_MAPS, configMap('limit', { max: '3' }, { limit: 'yes' }));
    await world.validating('p', spec, { paramRef: { name: 'limit', parameterNotFoundAction: 'Deny' } });
    await denied(world.call('POST', dry, deployment('d', 4)), `${prefix} at most 3`);
    await world.ok('POST', dry, deployment('d', 3));
    await world.ok('DELETE', `${CONFIG_MAPS}/limit`);
  });

  test('by selector: every one must agree', async () => {
    await world.ok('POST', CONFIG_MAPS, configMap('l5', { max: '5' }, { limit: 'yes' }));
    await world.ok('POST', CONFIG_MAPS, configMap('l2', { max: '2' }, { limit: 'yes' }));
    await world.validating('p', spec, { paramRef: { selector: { matchLabels: { limit: 'yes' } }, parameterNotFoundAction: 'Deny' } });
    await denied(world.call('POST', dry, deployment('d', 3)), `${prefix} at most 2`);
    for (const name of ['l5', 'l2']) await world.ok('DELETE', `${CONFIG_MAPS}/${name}`);
  });

  const missing: [string, string, string | undefined][] = [
    ['Deny', 'Fail', `${prefix} failed to configure binding: no params found for policy binding with \`Deny\` parameterNotFoundAction`],
    ['Deny', 'Ignore', undefined],
    ['Allow', 'Fail', undefined],
  ];
  for (const [action, failurePolicy, message] of missing) {
    test(`that are missing: ${action}, ${failurePolicy}`, async () => {
      const binding = { paramRef: { name: 'none', parameterNotFoundAction: action } };
      await world.validating('p', { ...spec, failurePolicy, validations: [{ expression: 'false' }] }, binding);
      if (message) await denied(world.call('POST', dry, deployment('d')), message);
      else await world.ok('POST', dry, deployment('d'));
    });
  }

  test('none are given', async () => {
    await world.validating('p', spec);
    await world.ok('POST', dry, deployment('d', 100));
  });
});

test('an audit annotation that fails denies', async () => {
  await world.validating('p', {
    matchConstraints: on('', 'configmaps'),
    auditAnnotations: [{ key: 'k', valueExpression: '"is " + object.data.none' }],
  });
  await denied(
    world.call('POST', CONFIG_MAPS, configMap('cm')),
    `configmaps "cm" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: valueExpression '"is " + object.data.none' resulted in error: expression '"is " + object.data.none' resulted in error: no such key: data`,
  );
});
