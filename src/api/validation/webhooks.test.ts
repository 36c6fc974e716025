import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GOOD, ready, resource } from './good-objects.fixture.ts';
import { validateCreate } from './validate.ts';

const RESOURCE = 'admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
const [GOOD_HOOK] = (GOOD[RESOURCE] as unknown as { webhooks: Record<string, unknown>[] }).webhooks;

function findings(webhooks: readonly object[]): string[] {
  const info = resource(RESOURCE);
  const object = ready(info, { metadata: { name: 'w' }, webhooks });
  return validateCreate(info, object).map(({ field, message }) => `${field}: ${message}`);
}

const rule = (change: object): object => ({
  rules: [{ operations: ['CREATE'], apiGroups: ['*'], apiVersions: ['*'], resources: ['pods'], ...change }],
});
const service = (change: object): object => ({ clientConfig: { service: { namespace: 'n', name: 's', ...change } } });
const url = (text: string): object => ({ clientConfig: { url: text } });
const condition = (...conditions: object[]): object => ({ matchConditions: conditions });
const FORM = '; desired format: https://host[/path]';

const CASES: { name: string; change: object; expected: string[] }[] = [
  { name: 'as it is', change: {}, expected: [] },
  {
    name: 'name of two segments',
    change: { name: 'a.b' },
    expected: ['name: Invalid value: "a.b": should be a domain with at least three segments separated by dots'],
  },
  { name: 'no name', change: { name: '' }, expected: ['name: Required value'] },
  {
    name: 'neither url nor service',
    change: { clientConfig: {} },
    expected: ['clientConfig: Required value: exactly one of url or service is required'],
  },
  {
    name: 'url and service',
    change: { clientConfig: { url: 'https://x', service: { name: 's', namespace: 'n' } } },
    expected: ['clientConfig: Required value: exactly one of url or service is required'],
  },
  {
    name: 'http',
    change: url('http://x/'),
    expected: [`clientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme${FORM}`],
  },
  { name: 'no host', change: url('https:///x'), expected: [`clientConfig.url: Invalid value: "": host must be specified${FORM}`] },
  {
    name: 'user, query and fragment',
    change: url('https://me:too@x/?a=b#c'),
    expected: [
      'clientConfig.url: Invalid value: "me:too": user information is not permitted in the URL',
      'clientConfig.url: Invalid value: "c": fragments are not permitted in the URL',
      'clientConfig.url: Invalid value: "a=b": query parameters are not permitted in the URL',
    ],
  },
  {
    name: 'service without a name',
    change: service({ name: '' }),
    expected: ['clientConfig.service.name: Required value: service name is required'],
  },
  {
    name: 'service port',
    change: service({ port: 0 }),
    expected: ['clientConfig.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive'],
  },
  {
    name: 'service path',
    change: service({ path: 'x/b//y/' }),
    expected: [
      `clientConfig.service.path: Invalid value: "x/b//y/": must start with a '/'`,
      'clientConfig.service.path: Invalid value: "x/b//y/": segment[0] may not be empty',
      'clientConfig.service.path: Invalid value: "x/b//y/": segment[2] may not be empty',
    ],
  },
  { name: 'good paths', change: service({ path: '/a/b.c/' }), expected: [] },
  {
    name: 'timeout',
    change: { timeoutSeconds: 31 },
    expected: ['timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds'],
  },
  {
    name: 'side effects',
    change: { sideEffects: 'Some' },
    expected: ['sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'],
  },
  {
    name: 'no side effects given',
    change: { sideEffects: '' },
    expected: ['sideEffects: Required value: must specify one of None, NoneOnDryRun'],
  },
  {
    name: 'match policy',
    change: { matchPolicy: 'Same' },
    expected: ['matchPolicy: Unsupported value: "Same": supported values: "Equivalent", "Exact"'],
  },
  {
    name: 'no review versions',
    change: { admissionReviewVersions: [] },
    expected: ['admissionReviewVersions: Required value: must specify one of v1, v1beta1'],
  },
  {
    name: 'review versions',
    change: { admissionReviewVersions: ['v9', 'v9'] },
    expected: [
      'admissionReviewVersions[1]: Invalid value: "v9": duplicate version',
      'admissionReviewVersions: Invalid value: ["v9","v9"]: must include at least one of v1, v1beta1',
    ],
  },
  {
    name: 'operations',
    change: rule({ operations: ['*', 'READ'] }),
    expected: [
      `rules[0].operations: Invalid value: ["*","READ"]: if '*' is present, must not specify other operations`,
      'rules[0].operations[1]: Unsupported value: "READ": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"',
    ],
  },
  {
    name: 'groups',
    change: rule({ apiGroups: ['*', 'a'] }),
    expected: [`rules[0].apiGroups: Invalid value: ["*","a"]: if '*' is present, must not specify other API groups`],
  },
  { name: 'versions', change: rule({ apiVersions: [''] }), expected: ['rules[0].apiVersions[0]: Required value'] },
  { name: 'no resources', change: rule({ resources: [] }), expected: ['rules[0].resources: Required value'] },
  {
    name: 'resources and a star',
    change: rule({ resources: ['*', 'a'] }),
    expected: [`rules[0].resources: Invalid value: ["*","a"]: if '*' is present, must not specify other resources without subresources`],
  },
  {
    name: 'two stars',
    change: rule({ resources: ['*/*', 'a'] }),
    expected: [`rules[0].resources: Invalid value: ["*/*","a"]: if '*/*' is present, must not specify other resources`],
  },
  {
    name: 'star for subresources',
    change: rule({ resources: ['a/*', 'a/x'] }),
    expected: [`rules[0].resources[1]: Invalid value: "a/x": if 'a/*' is present, must not specify a/x`],
  },
  { name: 'stars that leave room', change: rule({ resources: ['*', 'a/x', '*/scale'] }), expected: [] },
  {
    name: 'scope',
    change: rule({ scope: 'All' }),
    expected: ['rules[0].scope: Unsupported value: "All": supported values: "*", "Cluster", "Namespaced"'],
  },
  {
    name: 'selector',
    change: { objectSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } },
    expected: ["objectSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"],
  },
  {
    name: 'conditions',
    change: condition({ name: 'a', expression: 'true' }, { name: 'a', expression: '' }, { name: '', expression: 'true' }),
    expected: [
      'matchConditions[1].expression: Required value',
      'matchConditions[1].name: Duplicate value: "a"',
      'matchConditions[2].name: Required value',
    ],
  },
  {
    name: 'too many conditions',
    change: condition(...Array.from({ length: 65 }, (_each, index) => ({ name: `c${index}`, expression: 'true' }))),
    expected: ['matchConditions: Too many: 65: must have at most 64 items'],
  },
];

describe('webhook configurations', () => {
  for (const { name, change, expected } of CASES) {
    test(name, () =>
      assert.deepEqual(
        findings([{ ...GOOD_HOOK, ...change }]),
        expected.map((each) => `webhooks[0].${each}`),
      ),
    );
  }

  test('the same name twice', () => {
    assert.deepEqual(findings([GOOD_HOOK!, GOOD_HOOK!]), ['webhooks[1].name: Duplicate value: "a.example.com"']);
  });
});
