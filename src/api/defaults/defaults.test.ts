import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KubeObject } from '../meta.ts';
import { cloneJson } from '../patch/json.ts';
import type { ResourceInfo, Schema } from '../schema/schema.ts';
import { applyDefaults } from './defaults.ts';
import { pullPolicyOf } from './image.ts';

const infoOf = (group: string, kind: string, version = 'v1', schema: Schema = { type: 'object' }): ResourceInfo =>
  ({ group, version, kind, schema }) as ResourceInfo;

const containerDefaults = { terminationMessagePath: '/dev/termination-log', terminationMessagePolicy: 'File', resources: {} };
const podSpecDefaults = {
  dnsPolicy: 'ClusterFirst',
  restartPolicy: 'Always',
  securityContext: {},
  terminationGracePeriodSeconds: 30,
  schedulerName: 'default-scheduler',
};
const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } };
const templateDefaulted = {
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image: 'nginx', imagePullPolicy: 'Always', ...containerDefaults }], ...podSpecDefaults },
};

interface Case {
  name: string;
  group: string;
  kind: string;
  version?: string;
  given: Record<string, unknown>;
  expected: Record<string, unknown>;
}

const cases: Case[] = [
  {
    name: 'a pod',
    group: '',
    kind: 'Pod',
    given: {
      spec: {
        serviceAccountName: 'bot',
        containers: [
          {
            name: 'a',
            image: 'nginx:1.27',
            ports: [{ containerPort: 80 }],
            livenessProbe: { httpGet: { port: 80 } },
            resources: { limits: { cpu: '1' } },
          },
        ],
        volumes: [
          { name: 'v', configMap: { name: 'c' } },
          { name: 'e' },
          { name: 'h', hostPath: { path: '/x' } },
          { name: 'p', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
        ],
      },
    },
    expected: {
      spec: {
        ...podSpecDefaults,
        enableServiceLinks: true,
        serviceAccountName: 'bot',
        serviceAccount: 'bot',
        containers: [
          {
            name: 'a',
            image: 'nginx:1.27',
            imagePullPolicy: 'IfNotPresent',
            ...containerDefaults,
            ports: [{ containerPort: 80, protocol: 'TCP' }],
            livenessProbe: {
              httpGet: { port: 80, path: '/', scheme: 'HTTP' },
              timeoutSeconds: 1,
              periodSeconds: 10,
              successThreshold: 1,
              failureThreshold: 3,
            },
            resources: { limits: { cpu: '1' }, requests: { cpu: '1' } },
          },
        ],
        volumes: [
          { name: 'v', configMap: { name: 'c', defaultMode: 420 } },
          { name: 'e', emptyDir: {} },
          { name: 'h', hostPath: { path: '/x', type: '' } },
          { name: 'p', projected: { sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 3600 } }], defaultMode: 420 } },
        ],
      },
    },
  },
  {
    name: 'host ports on the host network',
    group: '',
    kind: 'Pod',
    given: { spec: { hostNetwork: true, containers: [{ name: 'a', image: 'x:1', ports: [{ containerPort: 80 }] }] } },
    expected: {
      spec: {
        hostNetwork: true,
        ...podSpecDefaults,
        enableServiceLinks: true,
        containers: [
          {
            name: 'a',
            image: 'x:1',
            imagePullPolicy: 'IfNotPresent',
            ...containerDefaults,
            ports: [{ containerPort: 80, hostPort: 80, protocol: 'TCP' }],
          },
        ],
      },
    },
  },
  {
    name: 'a Deployment',
    group: 'apps',
    kind: 'Deployment',
    given: { spec: { template } },
    expected: {
      spec: {
        template: templateDefaulted,
        replicas: 1,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
        revisionHistoryLimit: 10,
        progressDeadlineSeconds: 600,
      },
    },
  },
  {
    name: 'a Deployment that recreates',
    group: 'apps',
    kind: 'Deployment',
    given: { spec: { replicas: 0, strategy: { type: 'Recreate' } } },
    expected: { spec: { replicas: 0, strategy: { type: 'Recreate' }, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 } },
  },
  {
    name: 'a Job',
    group: 'batch',
    kind: 'Job',
    given: { spec: { template } },
    expected: {
      metadata: { name: 'x', labels: { app: 'web' } },
      spec: {
        template: templateDefaulted,
        completions: 1,
        parallelism: 1,
        backoffLimit: 6,
        completionMode: 'NonIndexed',
        suspend: false,
        podReplacementPolicy: 'TerminatingOrFailed',
      },
    },
  },
  {
    name: 'a work queue Job',
    group: 'batch',
    kind: 'Job',
    given: { spec: { parallelism: 3 } },
    expected: {
      spec: { parallelism: 3, backoffLimit: 6, completionMode: 'NonIndexed', suspend: false, podReplacementPolicy: 'TerminatingOrFailed' },
    },
  },
  {
    name: 'a Service',
    group: '',
    kind: 'Service',
    given: { spec: { ports: [{ port: 80 }] } },
    expected: {
      spec: {
        ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
        sessionAffinity: 'None',
        type: 'ClusterIP',
        internalTrafficPolicy: 'Cluster',
      },
    },
  },
  {
    name: 'a NodePort Service',
    group: '',
    kind: 'Service',
    given: { spec: { type: 'NodePort', sessionAffinity: 'ClientIP' } },
    expected: {
      spec: {
        type: 'NodePort',
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } },
        externalTrafficPolicy: 'Cluster',
        internalTrafficPolicy: 'Cluster',
      },
    },
  },
  {
    name: 'an ExternalName Service',
    group: '',
    kind: 'Service',
    given: { spec: { type: 'ExternalName', externalName: 'a.b' } },
    expected: { spec: { type: 'ExternalName', externalName: 'a.b', sessionAffinity: 'None' } },
  },
  {
    name: 'a Namespace',
    group: '',
    kind: 'Namespace',
    given: {},
    expected: { metadata: { name: 'x', labels: { 'kubernetes.io/metadata.name': 'x' } }, status: { phase: 'Active' } },
  },
  { name: 'a Secret', group: '', kind: 'Secret', given: {}, expected: { type: 'Opaque' } },
  {
    name: 'a RoleBinding',
    group: 'rbac.authorization.k8s.io',
    kind: 'RoleBinding',
    given: {
      roleRef: { kind: 'Role', name: 'r' },
      subjects: [
        { kind: 'User', name: 'u' },
        { kind: 'ServiceAccount', name: 's' },
      ],
    },
    expected: {
      roleRef: { kind: 'Role', name: 'r', apiGroup: 'rbac.authorization.k8s.io' },
      subjects: [
        { kind: 'User', name: 'u', apiGroup: 'rbac.authorization.k8s.io' },
        { kind: 'ServiceAccount', name: 's' },
      ],
    },
  },
  {
    name: 'a NetworkPolicy with egress',
    group: 'networking.k8s.io',
    kind: 'NetworkPolicy',
    given: { spec: { podSelector: {}, egress: [{ ports: [{ port: 53 }] }] } },
    expected: { spec: { podSelector: {}, egress: [{ ports: [{ port: 53, protocol: 'TCP' }] }], policyTypes: ['Ingress', 'Egress'] } },
  },
  {
    name: 'an autoscaler, v2',
    group: 'autoscaling',
    version: 'v2',
    kind: 'HorizontalPodAutoscaler',
    given: { spec: { maxReplicas: 3 } },
    expected: {
      spec: {
        maxReplicas: 3,
        minReplicas: 1,
        metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }],
      },
    },
  },
  {
    name: 'an autoscaler, v1',
    group: 'autoscaling',
    kind: 'HorizontalPodAutoscaler',
    given: { spec: { maxReplicas: 3 } },
    expected: { spec: { maxReplicas: 3, minReplicas: 1 } },
  },
];

describe('defaults', () => {
  for (const { name, group, kind, version, given, expected } of cases) {
    test(name, () => {
      const object = { metadata: { name: 'x' }, ...cloneJson(given) } as KubeObject;
      const once = applyDefaults(infoOf(group, kind, version), object);
      assert.deepEqual(once, { metadata: { name: 'x' }, ...expected });
      assert.deepEqual(applyDefaults(infoOf(group, kind, version), cloneJson(once)), once, 'applying twice changes nothing more');
    });
  }

  test('constant defaults of the schema, parents before children', () => {
    const leaf: Schema = {
      type: 'object',
      fields: { b: { schema: { type: 'integer' }, default: 2 }, hidden: { schema: { type: 'string' }, default: '' } },
    };
    const schema: Schema = {
      type: 'object',
      fields: {
        list: { schema: { type: 'array', items: leaf } },
        made: { schema: leaf, default: {} },
        map: { schema: { type: 'map', items: leaf } },
      },
    };
    const object = applyDefaults(infoOf('example.com', 'Thing', 'v1', schema), { metadata: {}, list: [{}, { b: 0 }], map: { k: {} } });
    assert.deepEqual(object, { metadata: {}, list: [{ b: 2 }, { b: 0 }], made: { b: 2 }, map: { k: { b: 2 } } });
  });

  const images: [string, string][] = [
    ['nginx', 'Always'],
    ['nginx:latest', 'Always'],
    ['nginx:1.27', 'IfNotPresent'],
    ['localhost:5000/nginx', 'Always'],
    ['localhost:5000/nginx:2', 'IfNotPresent'],
    ['nginx@sha256:0123', 'IfNotPresent'],
  ];
  for (const [image, policy] of images) test(`${image} is pulled ${policy}`, () => assert.equal(pullPolicyOf(image), policy));
});
