import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import type { Status, ValidatingAdmissionPolicy } from '../../../api/types.gen.ts';
import { eventually } from '../../../../test/fixtures/eventually.ts';
import { on, startPolicyWorld, type PolicyWorld } from './policy-world.fixture.ts';

const GROUP = '/apis/admissionregistration.k8s.io/v1';

let world: PolicyWorld;
before(async () => {
  world = await startPolicyWorld();
});
after(() => world?.close());
afterEach(() => world.clear());

async function causes(kind: string, spec: object): Promise<string[]> {
  const plural = kind.endsWith('y') ? `${kind.slice(0, -1)}ies` : `${kind}s`;
  const body = { apiVersion: 'admissionregistration.k8s.io/v1', kind, metadata: { name: 'p' }, spec };
  const response = await world.call('POST', `${GROUP}/${plural.toLowerCase()}?dryRun=All`, body);
  const { details, message } = response.body as Status;
  if (response.status === 201) return [];
  assert.equal(response.status, 422, message);
  return (details?.causes ?? []).map(({ field, message: text }) => `${field}: ${text}`);
}

const constraints = on('apps', 'deployments');
const compiled = (expression: string, error: string, column: number): string =>
  `Invalid value: ${JSON.stringify(expression)}: compilation failed: ERROR: <input>:1:${column}: ${error}\n | ${expression}\n | ${'.'.repeat(column - 1)}^`;

const VALIDATING: [string, object, string[]][] = [
  ['a good one', { matchConstraints: constraints, validations: [{ expression: 'true' }] }, []],
  [
    'nothing to do',
    { matchConstraints: constraints },
    [
      'spec.validations: Required value: validations or auditAnnotations must contain at least one item',
      'spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item',
    ],
  ],
  ['no constraints', { validations: [{ expression: 'true' }] }, ['spec.matchConstraints: Required value']],
  ['no rules', { matchConstraints: {}, validations: [{ expression: 'true' }] }, ['spec.matchConstraints.resourceRules: Required value']],
  [
    'bad rules',
    {
      matchConstraints: {
        resourceRules: [
          { apiGroups: ['*', 'apps'], apiVersions: [], operations: ['*', 'CREATE'], resources: ['*', 'pods'], resourceNames: ['a/b'] },
        ],
      },
      validations: [{ expression: 'true' }],
    },
    [
      `spec.matchConstraints.resourceRules[0].resourceNames[0]: Invalid value: "a/b": may not contain '/'`,
      `spec.matchConstraints.resourceRules[0].operations: Invalid value: ["*","CREATE"]: if '*' is present, must not specify other operations`,
      `spec.matchConstraints.resourceRules[0].apiGroups: Invalid value: ["*","apps"]: if '*' is present, must not specify other API groups`,
      'spec.matchConstraints.resourceRules[0].apiVersions: Required value',
      `spec.matchConstraints.resourceRules[0].resources: Invalid value: ["*","pods"]: if '*' is present, must not specify other resources without subresources`,
    ],
  ],
  [
    'no bool',
    { matchConstraints: constraints, validations: [{ expression: '1 + 1' }] },
    ['spec.validations[0].expression: Invalid value: "1 + 1": must evaluate to bool but got int'],
  ],
  [
    'an unknown name',
    { matchConstraints: constraints, validations: [{ expression: 'objct.a' }] },
    [`spec.validations[0].expression: ${compiled('objct.a', "undeclared reference to 'objct' (in container '')", 1)}`],
  ],
  [
    'params without a kind',
    { matchConstraints: constraints, validations: [{ expression: 'params.a == 1' }] },
    [`spec.validations[0].expression: ${compiled('params.a == 1', "undeclared reference to 'params' (in container '')", 1)}`],
  ],
  [
    'a field that requests do not have',
    { matchConstraints: constraints, validations: [{ expression: 'request.kin == ""' }] },
    [`spec.validations[0].expression: ${compiled('request.kin == ""', "undefined field 'kin'", 8)}`],
  ],
  [
    'a bad reason',
    { matchConstraints: constraints, validations: [{ expression: 'true', reason: 'Nope' }] },
    [
      'spec.validations[0].reason: Unsupported value: "Nope": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"',
    ],
  ],
  [
    'messages',
    { matchConstraints: constraints, validations: [{ expression: 'true', message: 'a\nb', messageExpression: ' ' }] },
    [
      'spec.validations[0].messageExpression: Invalid value: " ": must be non-empty if specified',
      'spec.validations[0].message: Invalid value: "a\\nb": message must not contain line breaks',
    ],
  ],
  [
    'a variable used before it is there',
    {
      matchConstraints: constraints,
      variables: [
        { name: 'a', expression: 'variables.b' },
        { name: 'b', expression: '1' },
      ],
      validations: [{ expression: 'variables.a == variables.b' }],
    },
    [`spec.variables[0].expression: ${compiled('variables.b', "undeclared reference to 'variables' (in container '')", 1)}`],
  ],
  [
    'a variable with a bad name',
    { matchConstraints: constraints, variables: [{ name: 'a-b', expression: '1' }], validations: [{ expression: 'true' }] },
    ['spec.variables[0].name: Invalid value: "a-b": name is not a valid CEL identifier'],
  ],
  [
    'conditions',
    {
      matchConstraints: constraints,
      matchConditions: [
        { name: 'x', expression: 'true' },
        { name: 'x', expression: '"a"' },
      ],
      validations: [{ expression: 'true' }],
    },
    [
      'spec.matchConditions[1].name: Duplicate value: "x"',
      'spec.matchConditions[1].expression: Invalid value: "\\"a\\"": must evaluate to bool but got string',
    ],
  ],
  [
    'annotations',
    {
      matchConstraints: constraints,
      auditAnnotations: [
        { key: 'a', valueExpression: '1' },
        { key: 'a', valueExpression: '"x"' },
      ],
    },
    [
      'spec.auditAnnotations[0].valueExpression: Invalid value: "1": must evaluate to one of [string null_type]',
      'spec.auditAnnotations[1].key: Duplicate value: "a"',
    ],
  ],
  [
    'parameters of no kind',
    { matchConstraints: constraints, paramKind: { apiVersion: 'a/b/c' }, validations: [{ expression: 'true' }] },
    ['spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c', 'spec.paramKind.kind: Required value'],
  ],
];

describe('ValidatingAdmissionPolicy', () => {
  for (const [name, spec, expected] of VALIDATING)
    test(name, async () => assert.deepEqual(await causes('ValidatingAdmissionPolicy', spec), expected));

  test('what is stored already stays as it is', async () => {
    await world.validating('p', { matchConstraints: constraints, validations: [{ expression: 'true' }] });
    const path = `${GROUP}/validatingadmissionpolicies/p`;
    assert.equal((await world.call('PATCH', path, { spec: { validations: [{ expression: 'tru' }] } })).status, 422);
    await world.ok('PATCH', path, { metadata: { labels: { a: 'b' } } });
  });
});

const BINDINGS: [string, object, string[]][] = [
  ['a good one', { policyName: 'p', validationActions: ['Warn', 'Audit'] }, []],
  [
    'no action',
    { policyName: 'p', validationActions: [] },
    ['spec.validationActions: Required value: at least one validation action is required'],
  ],
  [
    'both Deny and Warn',
    { policyName: 'p', validationActions: ['Deny', 'Warn', 'Warn'] },
    [
      'spec.validationActions[2]: Duplicate value: "Warn"',
      'spec.validationActions: Invalid value: ["Deny","Warn","Warn"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
    ],
  ],
  [
    'parameters by nothing',
    { policyName: 'p', validationActions: ['Deny'], paramRef: { parameterNotFoundAction: 'Maybe' } },
    [
      'spec.paramRef: Required value: one of name or selector must be specified',
      'spec.paramRef.parameterNotFoundAction: Unsupported value: "Maybe": supported values: "Deny", "Allow"',
    ],
  ],
  [
    'parameters by both',
    { policyName: 'p', validationActions: ['Deny'], paramRef: { name: 'a', selector: {}, parameterNotFoundAction: 'Deny' } },
    [
      'spec.paramRef.name: Forbidden: name and selector are mutually exclusive',
      'spec.paramRef.selector: Forbidden: name and selector are mutually exclusive',
    ],
  ],
];

describe('ValidatingAdmissionPolicyBinding', () => {
  for (const [name, spec, expected] of BINDINGS)
    test(name, async () => assert.deepEqual(await causes('ValidatingAdmissionPolicyBinding', spec), expected));
});

const mutation = (mutations: object[]): object => ({ matchConstraints: constraints, reinvocationPolicy: 'Never', mutations });
const MUTATING: [string, object, string[]][] = [
  [
    'a good one',
    mutation([
      { patchType: 'ApplyConfiguration', applyConfiguration: { expression: 'Object{}' } },
      { patchType: 'JSONPatch', jsonPatch: { expression: 'true ? [] : [JSONPatch{op: "add"}]' } },
    ]),
    [],
  ],
  [
    'nothing to do',
    { matchConstraints: constraints },
    ['spec.mutations: Required value: mutations must contain at least one item', 'spec.reinvocationPolicy: Required value'],
  ],
  [
    'the wrong type',
    mutation([
      { patchType: 'ApplyConfiguration', applyConfiguration: { expression: 'Object.spec{}' } },
      { patchType: 'JSONPatch', jsonPatch: { expression: 'JSONPatch{}' } },
    ]),
    [
      'spec.mutations[0].applyConfiguration.expression: Invalid value: "Object.spec{}": must evaluate to Object but got Object.spec',
      'spec.mutations[1].jsonPatch.expression: Invalid value: "JSONPatch{}": must evaluate to list(JSONPatch) but got JSONPatch',
    ],
  ],
  [
    'an unknown type',
    mutation([{ patchType: 'ApplyConfiguration', applyConfiguration: { expression: 'Objekt{}' } }]),
    [`spec.mutations[0].applyConfiguration.expression: ${compiled('Objekt{}', "undeclared reference to 'Objekt' (in container '')", 1)}`],
  ],
  [
    'the other form',
    mutation([{ patchType: 'JSONPatch', applyConfiguration: { expression: 'Object{}' } }]),
    [
      'spec.mutations[0].applyConfiguration: Invalid value: "{}": not allowed when patchType is JSONPatch',
      'spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch',
    ],
  ],
];

describe('MutatingAdmissionPolicy', () => {
  for (const [name, spec, expected] of MUTATING)
    test(name, async () => assert.deepEqual(await causes('MutatingAdmissionPolicy', spec), expected));
});

describe('type checking', () => {
  const status = (generation: number): Promise<NonNullable<ValidatingAdmissionPolicy['status']>> =>
    eventually(
      async () => {
        const { status: now } = (await world.ok('GET', `${GROUP}/validatingadmissionpolicies/p`)) as ValidatingAdmissionPolicy;
        assert.equal(now?.observedGeneration, generation);
        return now;
      },
      { every: 5 },
    );

  test('warns of fields that a kind does not have, and again when the policy changes', async () => {
    const validations = [
      { expression: 'object.spec.replicas > 1' },
      { expression: 'object.spec.replica > 1', messageExpression: '"is " + object.spec.template.spec.nodeNme' },
      { expression: 'object.spec.replicas > "1"' },
      { expression: 'variables.names.all(n, n.nam == "")' },
    ];
    const variables = [{ name: 'names', expression: 'object.spec.template.spec.containers' }];
    await world.validating('p', { matchConstraints: constraints, variables, validations });
    const at = (expression: string, text: string, column: number): string =>
      `apps/v1, Kind=Deployment: ERROR: <input>:1:${column}: ${text}\n | ${expression}\n | ${'.'.repeat(column - 1)}^\n`;
    assert.deepEqual((await status(1)).typeChecking, {
      expressionWarnings: [
        { fieldRef: 'spec.validations[1].expression', warning: at('object.spec.replica > 1', "undefined field 'replica'", 12) },
        {
          fieldRef: 'spec.validations[1].messageExpression',
          warning: at('"is " + object.spec.template.spec.nodeNme', "undefined field 'nodeNme'", 34),
        },
        {
          fieldRef: 'spec.validations[2].expression',
          warning: at('object.spec.replicas > "1"', "found no matching overload for '_>_' applied to '(int, string)'", 22),
        },
        { fieldRef: 'spec.validations[3].expression', warning: at('variables.names.all(n, n.nam == "")', "undefined field 'nam'", 25) },
      ],
    });
    await world.ok('PATCH', `${GROUP}/validatingadmissionpolicies/p`, { spec: { validations: validations.slice(0, 1) } });
    assert.deepEqual((await status(2)).typeChecking, {});
  });
});
