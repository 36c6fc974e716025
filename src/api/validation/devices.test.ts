import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ready, resource } from './good-objects.fixture.ts';
import { validateCreate, validateUpdate } from './validate.ts';

const metadata = { name: 'one', namespace: 'default' };
const claim = (devices: object) => ({ metadata, spec: { devices } });
const slice = (spec: object) => ({
  metadata: { name: 'one' },
  spec: { driver: 'gpu.example.com', pool: { name: 'p', generation: 1, resourceSliceCount: 1 }, ...spec },
});
const gpu = { name: 'gpu', exactly: { deviceClassName: 'gpu' } };
const CLAIMS = 'resource.k8s.io/v1/resourceclaims';
const SLICES = 'resource.k8s.io/v1/resourceslices';

describe('validation of dynamic resource allocation', () => {
  const cases: { name: string; kind: string; object: Record<string, unknown>; expected: string[] }[] = [
    { name: 'a good claim', kind: CLAIMS, object: claim({ requests: [gpu] }), expected: [] },
    {
      name: 'a request of no form',
      kind: CLAIMS,
      object: claim({ requests: [{ name: 'gpu' }] }),
      expected: ['spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required'],
    },
    {
      name: 'two requests of one name',
      kind: CLAIMS,
      object: claim({ requests: [gpu, gpu] }),
      expected: ['spec.devices.requests[1].name: Duplicate value: "gpu"'],
    },
    {
      name: 'a constraint on a request that is not there',
      kind: CLAIMS,
      object: claim({ requests: [gpu], constraints: [{ requests: ['cpu'], matchAttribute: 'numa' }] }),
      expected: [
        'spec.devices.constraints[0].requests[0]: Invalid value: "cpu": must be the name of a request in the claim or the name of a request and a subrequest separated by \'/\'',
        'spec.devices.constraints[0].matchAttribute: Invalid value: "numa": must include the domain',
      ],
    },
    {
      name: 'a number of all',
      kind: CLAIMS,
      object: claim({ requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu', allocationMode: 'All', count: 2 } }] }),
      expected: ["spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'"],
    },
    {
      name: 'a slice of no place',
      kind: SLICES,
      object: slice({}),
      expected: ['spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required'],
    },
    {
      name: 'a device with an attribute of two types',
      kind: SLICES,
      object: slice({ nodeName: 'n', devices: [{ name: 'd', attributes: { a: { int: 1, bool: true } } }] }),
      expected: ['spec.devices[0].attributes[a]: Invalid value: {"int":1,"bool":true}: exactly one value must be specified'],
    },
    {
      name: 'a container that takes what its pod has not',
      kind: '/v1/pods',
      object: {
        metadata,
        spec: {
          containers: [{ name: 'c', image: 'nginx', resources: { claims: [{ name: 'other' }] } }],
          resourceClaims: [{ name: 'card', resourceClaimName: 'one', resourceClaimTemplateName: 'two' }],
        },
      },
      expected: [
        'spec.resourceClaims[0]: Invalid value: {"name":"card","resourceClaimName":"one","resourceClaimTemplateName":"two"}: at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified',
        'spec.containers[0].resources.claims[0]: Not found: "other"',
      ],
    },
  ];
  for (const { name, kind, object, expected } of cases)
    it(name, () => {
      const info = resource(kind);
      const found = validateCreate(info, ready(info, object)).map(({ field, message }) => `${field}: ${message}`);
      assert.deepEqual(found.toSorted(), expected.toSorted());
    });

  it('a claim cannot be changed', () => {
    const info = resource(CLAIMS);
    const old = ready(info, claim({ requests: [gpu] }));
    const object = ready(info, claim({ requests: [gpu, { ...gpu, name: 'more' }] }));
    assert.deepEqual(
      validateUpdate(info, object, old)
        .filter(({ field }) => field === 'spec')
        .map(({ type }) => type),
      ['FieldValueInvalid'],
    );
  });
});
