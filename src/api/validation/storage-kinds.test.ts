import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KubeObject } from '../meta.ts';
import { applyMergePatch } from '../patch/merge-patch.ts';
import { prepareForUpdate } from '../strategy/prepare.ts';
import { ready, resource } from './good-objects.fixture.ts';
import { validateCreate, validateUpdate } from './validate.ts';

const volume = (spec: Record<string, unknown>) => ({
  metadata: { name: 'v' },
  spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, ...spec },
});
const csi = { driver: 'disk.example.com', volumeHandle: 'one' };
const onNode = { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: ['a'] }] }] } };
const GOOD: Record<string, Record<string, unknown>> = {
  '/v1/persistentvolumes': volume({ csi, nodeAffinity: onNode, volumeAttributesClassName: 'gold' }),
  'storage.k8s.io/v1/csidrivers': { metadata: { name: 'disk.example.com' }, spec: {} },
  'storage.k8s.io/v1/csinodes': {
    metadata: { name: 'n' },
    spec: {
      drivers: [{ name: 'disk.example.com', nodeID: 'n-1', topologyKeys: ['topology.example.com/zone'], allocatable: { count: 3 } }],
    },
  },
  'storage.k8s.io/v1/volumeattachments': {
    metadata: { name: 'a' },
    spec: { attacher: 'disk.example.com', nodeName: 'n', source: { persistentVolumeName: 'v' } },
  },
  'storage.k8s.io/v1/volumeattributesclasses': { metadata: { name: 'gold' }, driverName: 'disk.example.com', parameters: { iops: '9' } },
  'storage.k8s.io/v1/storageclasses': { metadata: { name: 'std' }, provisioner: 'disk.example.com' },
};

const BAD: [resource: string, name: string, change: Record<string, unknown>, expected: string[]][] = [
  [
    '/v1/persistentvolumes',
    'two sources, and an NFS one that says nothing',
    { spec: { nfs: { server: '', path: 'x' } } },
    [
      'spec.nfs: Forbidden: may not specify more than 1 volume type',
      'spec.nfs.server: Required value',
      'spec.nfs.path: Invalid value: "x": must be an absolute path',
    ],
  ],
  ['/v1/persistentvolumes', 'no handle', { spec: { csi: { volumeHandle: '' } } }, ['spec.csi.volumeHandle: Required value']],
  [
    '/v1/persistentvolumes',
    'half a secret',
    { spec: { csi: { nodeStageSecretRef: { name: 'key' } } } },
    ['spec.csi.nodeStageSecretRef.namespace: Required value'],
  ],
  [
    '/v1/persistentvolumes',
    'a local volume anywhere, with attributes',
    { spec: { csi: null, local: { path: '/data' }, nodeAffinity: null } },
    [
      'spec.nodeAffinity: Required value: Local volume requires node affinity',
      'spec.csi: Required value: has to be specified when using volumeAttributesClassName',
    ],
  ],
  [
    '/v1/persistentvolumes',
    'iSCSI without a target',
    { spec: { csi: null, volumeAttributesClassName: null, iscsi: { targetPortal: 'p', iqn: '', lun: 0 } } },
    ['spec.iscsi.iqn: Required value'],
  ],
  [
    '/v1/persistentvolumes',
    'mode',
    { spec: { volumeMode: 'Tape' } },
    ['spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"'],
  ],
  [
    'storage.k8s.io/v1/csidrivers',
    'policy and modes',
    { spec: { fsGroupPolicy: 'Maybe', volumeLifecycleModes: ['Weekly'] } },
    [
      'spec.fsGroupPolicy: Unsupported value: "Maybe": supported values: "File", "None", "ReadWriteOnceWithFSType"',
      'spec.volumeLifecycleModes: Unsupported value: "Weekly": supported values: "Ephemeral", "Persistent"',
    ],
  ],
  [
    'storage.k8s.io/v1/csidrivers',
    'tokens',
    { spec: { tokenRequests: [{ audience: 'a', expirationSeconds: 10 }, { audience: 'a' }] } },
    [
      'spec.tokenRequests[0].expirationSeconds: Invalid value: 10: may not specify a duration less than 10 minutes',
      'spec.tokenRequests[1].audience: Duplicate value: "a"',
    ],
  ],
  [
    'storage.k8s.io/v1/csinodes',
    'a driver without an id, twice',
    {
      spec: {
        drivers: [
          { name: 'd', nodeID: '' },
          { name: 'd', nodeID: 'x', allocatable: { count: -1 } },
        ],
      },
    },
    [
      'spec.drivers[0].nodeID: Required value',
      'spec.drivers[1].name: Duplicate value: "d"',
      'spec.drivers[1].allocatable.count: Invalid value: -1: must be greater than or equal to 0',
    ],
  ],
  [
    'storage.k8s.io/v1/volumeattachments',
    'nothing to attach',
    { spec: { nodeName: '', source: { persistentVolumeName: null } } },
    ['spec.nodeName: Required value', 'spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName'],
  ],
  [
    'storage.k8s.io/v1/volumeattributesclasses',
    'no attributes',
    { parameters: null },
    ['parameters: Required value: must contain at least one key/value pair'],
  ],
  [
    'storage.k8s.io/v1/storageclasses',
    'no topology',
    { allowedTopologies: [{ matchLabelExpressions: [{ key: 'zone', values: [] }] }] },
    ['allowedTopologies[0].matchLabelExpressions[0].values: Required value'],
  ],
];

const CHANGES: [resource: string, name: string, change: Record<string, unknown>, expected: string[]][] = [
  [
    'storage.k8s.io/v1/csidrivers',
    'attachRequired',
    { spec: { attachRequired: false } },
    ['spec.attachedRequired: Invalid value: false: field is immutable'],
  ],
  ['storage.k8s.io/v1/csidrivers', 'podInfoOnMount may change', { spec: { podInfoOnMount: true } }, []],
  [
    'storage.k8s.io/v1/volumeattributesclasses',
    'attributes',
    { parameters: { iops: '10' } },
    ['parameters: Forbidden: updates to parameters are forbidden.'],
  ],
  [
    'storage.k8s.io/v1/csinodes',
    'the id of a driver',
    { spec: { drivers: [{ name: 'disk.example.com', nodeID: 'n-2' }] } },
    ['spec.drivers[0]: Invalid value: {"name":"disk.example.com","nodeID":"n-2"}: field is immutable'],
  ],
  [
    '/v1/persistentvolumes',
    'the source',
    { spec: { csi: { volumeHandle: 'two' } } },
    ['spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation'],
  ],
];

const printed = (found: readonly { field: string; message: string }[]): string[] =>
  found.map(({ field, message }) => `${field}: ${message}`);
const changed = (object: KubeObject, change: Record<string, unknown>): KubeObject =>
  applyMergePatch<KubeObject>(structuredClone(object), change);

describe('kinds of storage', () => {
  for (const [name, value] of Object.entries(GOOD)) {
    test(`${name} that is right`, () => {
      const info = resource(name);
      assert.deepEqual(printed(validateCreate(info, ready(info, value as never))), []);
    });
  }
  for (const [name, what, change, expected] of BAD) {
    test(`${name} refused: ${what}`, () => {
      const info = resource(name);
      const found = validateCreate(info, ready(info, changed(GOOD[name] as never, change)));
      assert.deepEqual(printed(found), expected);
    });
  }
  for (const [name, what, change, expected] of CHANGES) {
    test(`${name} changed: ${what}`, () => {
      const info = resource(name);
      const old = ready(info, GOOD[name] as never);
      const next = prepareForUpdate(info, changed(old, change), old);
      assert.deepEqual(printed(validateUpdate(info, next, old)), expected);
    });
  }
});

test('containers of a StatefulSet mount what its claims bring, and nothing else', () => {
  const info = resource('apps/v1/statefulsets');
  const container = (mount: string) => ({ name: 'c', image: 'i', volumeMounts: [{ name: mount, mountPath: '/data' }] });
  const claims = [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } }];
  const set = (mount: string) => ({
    metadata: { name: 'db', namespace: 'default' },
    spec: {
      serviceName: 'db',
      selector: { matchLabels: { app: 'db' } },
      template: { metadata: { labels: { app: 'db' } }, spec: { containers: [container(mount)] } },
      volumeClaimTemplates: claims,
    },
  });
  assert.deepEqual(printed(validateCreate(info, ready(info, set('data') as never))), []);
  assert.deepEqual(printed(validateCreate(info, ready(info, set('other') as never))), [
    'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "other"',
  ]);
});
