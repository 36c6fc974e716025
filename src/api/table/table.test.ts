import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KubeObject } from '../meta.ts';
import type { ResourceInfo } from '../schema/schema.ts';
import { findResource } from '../scheme.ts';
import { humanDuration } from './duration.ts';
import { columnsFor, rowFor, tableFor } from './table.ts';

const NOW = Date.UTC(2026, 0, 1, 12, 0, 0);
const ago = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();
const resource = (text: string): ResourceInfo => {
  const [group, version, name] = text.split('/');
  return findResource(group!, version!, name!)!;
};
const metadata = { name: 'x', namespace: 'n', creationTimestamp: ago(90) };

describe('human durations', () => {
  const cases: [number, string][] = [
    [-5, '<invalid>'],
    [-1, '0s'],
    [0, '0s'],
    [119, '119s'],
    [120, '2m'],
    [125, '2m5s'],
    [599, '9m59s'],
    [600, '10m'],
    [10_799, '179m'],
    [10_800, '3h'],
    [12_000, '3h20m'],
    [28_800, '8h'],
    [172_799, '47h'],
    [172_800, '2d'],
    [183_600, '2d3h'],
    [691_200, '8d'],
    [63_072_000, '2y'],
    [63_158_400, '2y1d'],
    [252_288_000, '8y'],
  ];
  for (const [seconds, text] of cases) test(`${seconds} s is ${text}`, () => assert.equal(humanDuration(seconds * 1000), text));
});

describe('pods', () => {
  const spec = { containers: [{ name: 'a' }, { name: 'b' }], initContainers: [{ name: 'i' }] };
  const running = (name: string, more = {}): unknown => ({ name, ready: true, restartCount: 0, state: { running: {} }, ...more });
  const cases: { name: string; pod: Partial<KubeObject>; ready: string; status: string; restarts?: string }[] = [
    { name: 'new', pod: { spec, status: { phase: 'Pending' } }, ready: '0/2', status: 'Pending' },
    {
      name: 'gated',
      pod: { spec, status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] } },
      ready: '0/2',
      status: 'SchedulingGated',
    },
    {
      name: 'initialising',
      pod: { spec, status: { phase: 'Pending', initContainerStatuses: [{ name: 'i', state: { running: {} } }] } },
      ready: '0/2',
      status: 'Init:0/1',
    },
    {
      name: 'failing to initialise',
      pod: {
        spec,
        status: {
          phase: 'Pending',
          initContainerStatuses: [
            {
              name: 'i',
              restartCount: 2,
              state: { waiting: { reason: 'CrashLoopBackOff' } },
              lastState: { terminated: { finishedAt: ago(30) } },
            },
          ],
        },
      },
      ready: '0/2',
      status: 'Init:CrashLoopBackOff',
      restarts: '2 (30s ago)',
    },
    {
      name: 'init ended badly',
      pod: { spec, status: { phase: 'Pending', initContainerStatuses: [{ name: 'i', state: { terminated: { exitCode: 3 } } }] } },
      ready: '0/2',
      status: 'Init:ExitCode:3',
    },
    {
      name: 'running',
      pod: { spec, status: { phase: 'Running', containerStatuses: [running('a'), running('b')] } },
      ready: '2/2',
      status: 'Running',
    },
    {
      name: 'crashing',
      pod: {
        spec,
        status: {
          phase: 'Running',
          containerStatuses: [
            running('a'),
            {
              name: 'b',
              restartCount: 3,
              state: { waiting: { reason: 'CrashLoopBackOff' } },
              lastState: { terminated: { finishedAt: ago(300) } },
            },
          ],
        },
      },
      ready: '1/2',
      status: 'CrashLoopBackOff',
      restarts: '3 (5m ago)',
    },
    {
      name: 'image missing',
      pod: {
        spec,
        status: { phase: 'Pending', containerStatuses: [{ name: 'a', restartCount: 0, state: { waiting: { reason: 'ErrImagePull' } } }] },
      },
      ready: '0/2',
      status: 'ErrImagePull',
    },
    {
      name: 'completed',
      pod: {
        spec,
        status: {
          phase: 'Succeeded',
          containerStatuses: [{ name: 'a', restartCount: 0, state: { terminated: { exitCode: 0, reason: 'Completed' } } }],
        },
      },
      ready: '0/2',
      status: 'Completed',
    },
    {
      name: 'half done',
      pod: {
        spec,
        status: {
          phase: 'Running',
          conditions: [{ type: 'Ready', status: 'False' }],
          containerStatuses: [running('a'), { name: 'b', restartCount: 0, state: { terminated: { reason: 'Completed' } } }],
        },
      },
      ready: '1/2',
      status: 'NotReady',
    },
    {
      name: 'killed by a signal',
      pod: {
        spec,
        status: {
          phase: 'Failed',
          containerStatuses: [{ name: 'a', restartCount: 0, state: { terminated: { signal: 9, exitCode: 137 } } }],
        },
      },
      ready: '0/2',
      status: 'Signal:9',
    },
    { name: 'evicted', pod: { spec, status: { phase: 'Failed', reason: 'Evicted' } }, ready: '0/2', status: 'Evicted' },
    {
      name: 'terminating',
      pod: {
        metadata: { ...metadata, deletionTimestamp: ago(1) },
        spec,
        status: { phase: 'Running', containerStatuses: [running('a'), running('b')] },
      },
      ready: '2/2',
      status: 'Terminating',
    },
    {
      name: 'lost with its node',
      pod: { metadata: { ...metadata, deletionTimestamp: ago(1) }, spec, status: { phase: 'Running', reason: 'NodeLost' } },
      ready: '0/2',
      status: 'Unknown',
    },
    {
      name: 'with a sidecar',
      pod: {
        spec: { containers: [{ name: 'a' }], initContainers: [{ name: 's', restartPolicy: 'Always' }] },
        status: {
          phase: 'Running',
          initContainerStatuses: [{ name: 's', restartCount: 1, started: true, ready: true, state: { running: {} } }],
          containerStatuses: [running('a')],
        },
      },
      ready: '2/2',
      status: 'Running',
      restarts: '1',
    },
  ];
  for (const { name, pod, ready, status, restarts = '0' } of cases) {
    test(name, () => {
      const { cells } = rowFor(resource('/v1/pods'), { metadata, ...pod }, NOW);
      assert.deepEqual(cells.slice(0, 5), ['x', ready, status, restarts, '90s']);
    });
  }

  test('a finished pod says so in its row', () => {
    const row = rowFor(resource('/v1/pods'), { metadata, spec, status: { phase: 'Succeeded' } }, NOW);
    assert.equal(row.conditions?.[0]?.type, 'Completed');
  });
});

const template = {
  spec: {
    containers: [
      { name: 'nginx', image: 'nginx:1' },
      { name: 'log', image: 'busybox' },
    ],
  },
};

describe('other kinds', () => {
  const cases: { resource: string; object: Record<string, unknown>; cells: unknown[] }[] = [
    {
      resource: 'apps/v1/deployments',
      object: {
        spec: { replicas: 3, selector: { matchLabels: { app: 'web' } }, template },
        status: { readyReplicas: 2, updatedReplicas: 3, availableReplicas: 1 },
      },
      cells: ['x', '2/3', 3, 1, '90s', 'nginx,log', 'nginx:1,busybox', 'app=web'],
    },
    {
      resource: 'apps/v1/replicasets',
      object: { spec: { replicas: 3, selector: { matchLabels: { app: 'web' } }, template }, status: { replicas: 3, readyReplicas: 2 } },
      cells: ['x', 3, 3, 2, '90s', 'nginx,log', 'nginx:1,busybox', 'app=web'],
    },
    {
      resource: 'apps/v1/daemonsets',
      object: { spec: { selector: {}, template }, status: { desiredNumberScheduled: 2, currentNumberScheduled: 1 } },
      cells: ['x', 2, 1, 0, 0, 0, '<none>', '90s', 'nginx,log', 'nginx:1,busybox', '<none>'],
    },
    {
      resource: 'apps/v1/statefulsets',
      object: { spec: { replicas: 1, template }, status: {} },
      cells: ['x', '0/1', '90s', 'nginx,log', 'nginx:1,busybox'],
    },
    {
      resource: 'batch/v1/jobs',
      object: { spec: { completions: 3, template, selector: { matchLabels: { a: 'b' } } }, status: { succeeded: 1, startTime: ago(65) } },
      cells: ['x', 'Running', '1/3', '65s', '90s', 'nginx,log', 'nginx:1,busybox', 'a=b'],
    },
    {
      resource: 'batch/v1/jobs',
      object: {
        spec: { parallelism: 2, template },
        status: { succeeded: 1, startTime: ago(65), completionTime: ago(60), conditions: [{ type: 'Complete', status: 'True' }] },
      },
      cells: ['x', 'Complete', '1/1 of 2', '5s', '90s', 'nginx,log', 'nginx:1,busybox', '<none>'],
    },
    {
      resource: 'batch/v1/cronjobs',
      object: { spec: { schedule: '* * * * *', suspend: false, jobTemplate: { spec: { template } } }, status: { active: [{}] } },
      cells: ['x', '* * * * *', '<none>', 'False', 1, '<none>', '90s', 'nginx,log', 'nginx:1,busybox', '<none>'],
    },
    {
      resource: '/v1/services',
      object: {
        spec: {
          type: 'NodePort',
          clusterIP: '10.0.0.1',
          clusterIPs: ['10.0.0.1'],
          ports: [
            { port: 80, nodePort: 30080, protocol: 'TCP' },
            { port: 53, protocol: 'UDP' },
          ],
          selector: { app: 'web' },
        },
      },
      cells: ['x', 'NodePort', '10.0.0.1', '<none>', '80:30080/TCP,53/UDP', '90s', 'app=web'],
    },
    {
      resource: '/v1/services',
      object: { spec: { type: 'LoadBalancer', clusterIP: '10.0.0.1', ports: [] } },
      cells: ['x', 'LoadBalancer', '10.0.0.1', '<pending>', '<none>', '90s', '<none>'],
    },
    {
      resource: '/v1/endpoints',
      object: { subsets: [{ addresses: [{ ip: '10.1.0.1' }, { ip: '10.1.0.2' }], ports: [{ port: 80 }, { port: 81 }] }] },
      cells: ['x', '10.1.0.1:80,10.1.0.2:80,10.1.0.1:81 + 1 more...', '90s'],
    },
    {
      resource: 'discovery.k8s.io/v1/endpointslices',
      object: { addressType: 'IPv4', ports: [{ port: 80 }], endpoints: [{ addresses: ['10.1.0.1'] }] },
      cells: ['x', 'IPv4', '80', '10.1.0.1', '90s'],
    },
    { resource: 'discovery.k8s.io/v1/endpointslices', object: { addressType: 'IPv4' }, cells: ['x', 'IPv4', '<unset>', '<unset>', '90s'] },
    {
      resource: 'networking.k8s.io/v1/ingresses',
      object: {
        spec: { ingressClassName: 'rockpool', rules: [{ host: 'a.example' }, {}], tls: [{}] },
        status: { loadBalancer: { ingress: [{ ip: '10.0.0.9' }] } },
      },
      cells: ['x', 'rockpool', 'a.example', '10.0.0.9', '80, 443', '90s'],
    },
    {
      resource: '/v1/nodes',
      object: {
        metadata: { ...metadata, labels: { 'node-role.kubernetes.io/control-plane': '' } },
        spec: { unschedulable: true },
        status: {
          conditions: [{ type: 'Ready', status: 'True' }],
          addresses: [{ type: 'InternalIP', address: '1.2.3.4' }],
          nodeInfo: { kubeletVersion: 'v1.36.0' },
        },
      },
      cells: [
        'x',
        'Ready,SchedulingDisabled',
        'control-plane',
        '90s',
        'v1.36.0',
        '1.2.3.4',
        '<none>',
        '<unknown>',
        '<unknown>',
        '<unknown>',
      ],
    },
    {
      resource: '/v1/events',
      object: {
        type: 'Normal',
        reason: 'Pulled',
        involvedObject: { kind: 'Pod', name: 'web', fieldPath: 'spec.containers{a}' },
        source: { component: 'kubelet', host: 'n1' },
        message: 'done\n',
        firstTimestamp: ago(100),
        lastTimestamp: ago(10),
        count: 4,
      },
      cells: ['10s', 'Normal', 'Pulled', 'pod/web', 'spec.containers{a}', 'kubelet, n1', 'done', '100s', 4, 'x'],
    },
    {
      resource: '/v1/events',
      object: { eventTime: ago(7), reportingComponent: 'scheduler', involvedObject: { kind: 'Pod', name: 'web' } },
      cells: ['7s', '', '', 'pod/web', '', 'scheduler', '', '7s', 1, 'x'],
    },
    { resource: '/v1/namespaces', object: { status: { phase: 'Active' } }, cells: ['x', 'Active', '90s'] },
    { resource: '/v1/configmaps', object: { data: { a: '', b: '' }, binaryData: { c: '' } }, cells: ['x', 3, '90s'] },
    { resource: '/v1/secrets', object: { type: 'Opaque', data: { a: '' } }, cells: ['x', 'Opaque', 1, '90s'] },
    {
      resource: '/v1/persistentvolumeclaims',
      object: {
        spec: { volumeName: 'pv', storageClassName: 'std', volumeMode: 'Filesystem' },
        status: { phase: 'Bound', capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'] },
      },
      cells: ['x', 'Bound', 'pv', '1Gi', 'RWO', 'std', '<unset>', '90s', 'Filesystem'],
    },
    {
      resource: '/v1/persistentvolumes',
      object: {
        spec: {
          capacity: { storage: '1Gi' },
          accessModes: ['ReadWriteMany', 'ReadWriteOnce'],
          persistentVolumeReclaimPolicy: 'Delete',
          claimRef: { namespace: 'n', name: 'c' },
          storageClassName: 'std',
        },
        status: { phase: 'Bound' },
      },
      cells: ['x', '1Gi', 'RWO,RWX', 'Delete', 'Bound', 'n/c', 'std', '<unset>', '', '90s', '<unset>'],
    },
    {
      resource: 'storage.k8s.io/v1/storageclasses',
      object: { metadata: { ...metadata, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } }, provisioner: 'p' },
      cells: ['x (default)', 'p', 'Delete', 'Immediate', false, '90s'],
    },
    {
      resource: 'rbac.authorization.k8s.io/v1/rolebindings',
      object: {
        roleRef: { kind: 'Role', name: 'r' },
        subjects: [
          { kind: 'User', name: 'u' },
          { kind: 'ServiceAccount', namespace: 'n', name: 's' },
        ],
      },
      cells: ['x', 'Role/r', '90s', 'u', '', 'n/s'],
    },
    { resource: 'rbac.authorization.k8s.io/v1/roles', object: {}, cells: ['x', metadata.creationTimestamp] },
    { resource: 'policy/v1/poddisruptionbudgets', object: { spec: { minAvailable: 1 }, status: {} }, cells: ['x', '1', 'N/A', 0, '90s'] },
    {
      resource: 'autoscaling/v2/horizontalpodautoscalers',
      object: {
        spec: {
          scaleTargetRef: { kind: 'Deployment', name: 'web' },
          minReplicas: 1,
          maxReplicas: 5,
          metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { averageUtilization: 80 } } }],
        },
        status: { currentReplicas: 2 },
      },
      cells: ['x', 'Deployment/web', 'cpu: <unknown>/80%', '1', '5', 2, '90s'],
    },
  ];
  for (const { resource: name, object, cells } of cases) {
    test(name, () => {
      const info = resource(name);
      const row = rowFor(info, { metadata, ...object }, NOW);
      assert.deepEqual(row.cells, cells);
      assert.equal(columnsFor(info).length, cells.length);
    });
  }

  test('a kind of a stranger has a name and an age', () => {
    const info = { group: 'example.com', kind: 'Thing', version: 'v1', schema: { type: 'object' } } as unknown as ResourceInfo;
    const table = tableFor(info, [{ metadata }], { now: NOW });
    assert.deepEqual(
      table.columnDefinitions.map(({ name }) => name),
      ['Name', 'Age'],
    );
    assert.deepEqual(table.rows, [
      { cells: ['x', '90s'], object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata } },
    ]);
  });
});
