import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { convertFromStorage, convertToStorage } from '../convert/convert.ts';
import { applyDefaults } from '../defaults/defaults.ts';
import type { KubeObject } from '../meta.ts';
import { groupVersion, parseGroupVersion } from '../meta.ts';
import { findResource } from '../scheme.ts';
import type { ResourceInfo } from '../schema/schema.ts';
import { columnsFor, rowFor } from '../table/table.ts';
import { legacyResources } from './resources.ts';

const find = (version: string, kind: string): ResourceInfo =>
  legacyResources().find((info) => groupVersion(info) === version && info.kind === kind)!;

const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } };
const expressions = (operator: string): object => ({
  matchExpressions: [{ key: 'pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match', operator }],
});

function object(apiVersion: string, kind: string, fields: object): KubeObject {
  return { kind, apiVersion, metadata: { name: 'x', namespace: 'n' }, ...structuredClone(fields) };
}

test('each is stored as a resource that is served, in its place', () => {
  for (const info of legacyResources()) {
    const { group, version } = parseGroupVersion(info.storageVersion);
    const today = findResource(group, version, info.resource);
    assert.ok(today, `${groupVersion(info)} ${info.resource}`);
    assert.equal(info.storagePrefix, today.storagePrefix);
    assert.deepEqual(
      [info.namespaced, info.shortNames, info.selectableFields],
      [today.namespaced, today.shortNames, today.selectableFields],
    );
    assert.match(info.legacy!.warning, /^\S+ \w+ is deprecated in v1\.\d+\+, unavailable in v1\.\d+\+; use \S+ \w+$/);
    assert.ok(info.schema.fields!['metadata']);
  }
});

test('warnings are upstream’s', () => {
  assert.equal(
    find('networking.k8s.io/v1beta1', 'Ingress').legacy!.warning,
    'networking.k8s.io/v1beta1 Ingress is deprecated in v1.19+, unavailable in v1.22+; use networking.k8s.io/v1 Ingress',
  );
});

describe('defaults of the version that was asked for', () => {
  const cases: Record<string, { version: string; kind: string; spec: object; expected: Record<string, unknown> }> = {
    'extensions/v1beta1 Deployment': {
      version: 'extensions/v1beta1',
      kind: 'Deployment',
      spec: { template },
      expected: {
        selector: { matchLabels: { app: 'web' } },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } },
        progressDeadlineSeconds: 2 ** 31 - 1,
        revisionHistoryLimit: 2 ** 31 - 1,
        replicas: 1,
      },
    },
    'extensions/v1beta1 Deployment that recreates': {
      version: 'extensions/v1beta1',
      kind: 'Deployment',
      spec: { template, strategy: { type: 'Recreate' } },
      expected: { strategy: { type: 'Recreate' } },
    },
    'apps/v1beta1 Deployment': {
      version: 'apps/v1beta1',
      kind: 'Deployment',
      spec: { template },
      expected: {
        selector: { matchLabels: { app: 'web' } },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
        progressDeadlineSeconds: 600,
        revisionHistoryLimit: 2,
      },
    },
    'apps/v1beta2 Deployment': {
      version: 'apps/v1beta2',
      kind: 'Deployment',
      spec: { template },
      expected: { selector: undefined, revisionHistoryLimit: 10 },
    },
    'extensions/v1beta1 DaemonSet': {
      version: 'extensions/v1beta1',
      kind: 'DaemonSet',
      spec: { template },
      expected: { selector: { matchLabels: { app: 'web' } }, updateStrategy: { type: 'OnDelete' }, revisionHistoryLimit: 10 },
    },
    'apps/v1beta1 StatefulSet': {
      version: 'apps/v1beta1',
      kind: 'StatefulSet',
      spec: { template, serviceName: 's' },
      expected: { updateStrategy: { type: 'OnDelete' }, podManagementPolicy: 'OrderedReady', revisionHistoryLimit: 10 },
    },
    'apps/v1beta2 StatefulSet': {
      version: 'apps/v1beta2',
      kind: 'StatefulSet',
      spec: { template, serviceName: 's' },
      expected: { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } } },
    },
    'extensions/v1beta1 ReplicaSet': {
      version: 'extensions/v1beta1',
      kind: 'ReplicaSet',
      spec: { template },
      expected: { selector: { matchLabels: { app: 'web' } }, replicas: 1 },
    },
  };
  for (const [name, { version, kind, spec, expected }] of Object.entries(cases)) {
    test(name, () => {
      const info = find(version, kind);
      const given = object(version, kind, { spec });
      info.legacy!.applyDefaults?.(given);
      const { group, version: stored } = parseGroupVersion(info.storageVersion);
      const made = applyDefaults(findResource(group, stored, info.resource)!, convertToStorage(info, given));
      assert.equal(made.apiVersion, info.storageVersion);
      const actual = made['spec'] as Record<string, unknown>;
      for (const [field, value] of Object.entries(expected)) assert.deepEqual(actual[field], value, field);
    });
  }

  test('labels that nobody gave are the pods’', () => {
    const given = object('extensions/v1beta1', 'Deployment', { spec: { template } });
    find('extensions/v1beta1', 'Deployment').legacy!.applyDefaults!(given);
    assert.deepEqual(given.metadata.labels, { app: 'web' });
  });
});

describe('to the stored version and back', () => {
  const cases: Record<string, { version: string; kind: string; old: object; today: object }> = {
    'a rollback is a note': {
      version: 'extensions/v1beta1',
      kind: 'Deployment',
      old: { spec: { replicas: 2, rollbackTo: { revision: 3 } } },
      today: { metadata: { name: 'x', namespace: 'n', annotations: { 'deprecated.deployment.rollback.to': '3' } }, spec: { replicas: 2 } },
    },
    'so is the generation of a DaemonSet’s template': {
      version: 'extensions/v1beta1',
      kind: 'DaemonSet',
      old: { spec: { minReadySeconds: 1, templateGeneration: 4 } },
      today: {
        metadata: { name: 'x', namespace: 'n', annotations: { 'deprecated.daemonset.template.generation': '4' } },
        spec: { minReadySeconds: 1 },
      },
    },
    'backends of an Ingress': {
      version: 'networking.k8s.io/v1beta1',
      kind: 'Ingress',
      old: {
        spec: {
          backend: { serviceName: 'all', servicePort: 80 },
          tls: [{ hosts: ['h'] }],
          rules: [
            {
              host: 'h',
              http: {
                paths: [
                  { path: '/a', pathType: 'Prefix', backend: { serviceName: 'a', servicePort: 'http' } },
                  { path: '/b', pathType: 'Exact', backend: { servicePort: 0, resource: { kind: 'Bucket', name: 'b' } } },
                ],
              },
            },
            { host: 'plain' },
          ],
        },
      },
      today: {
        spec: {
          defaultBackend: { service: { name: 'all', port: { number: 80 } } },
          tls: [{ hosts: ['h'] }],
          rules: [
            {
              host: 'h',
              http: {
                paths: [
                  { path: '/a', pathType: 'Prefix', backend: { service: { name: 'a', port: { name: 'http' } } } },
                  { path: '/b', pathType: 'Exact', backend: { resource: { kind: 'Bucket', name: 'b' } } },
                ],
              },
            },
            { host: 'plain' },
          ],
        },
      },
    },
    'an empty selector of a disruption budget selected nothing': {
      version: 'policy/v1beta1',
      kind: 'PodDisruptionBudget',
      old: { spec: { maxUnavailable: 1, selector: {} } },
      today: { spec: { maxUnavailable: 1, selector: expressions('Exists') } },
    },
    'and what selects everything today was not empty': {
      version: 'policy/v1beta1',
      kind: 'PodDisruptionBudget',
      old: { spec: { maxUnavailable: 1, selector: expressions('DoesNotExist') } },
      today: { spec: { maxUnavailable: 1, selector: {} } },
    },
    'another selector is the same': {
      version: 'policy/v1beta1',
      kind: 'PodDisruptionBudget',
      old: { spec: { selector: { matchLabels: { a: 'b' } } } },
      today: { spec: { selector: { matchLabels: { a: 'b' } } } },
    },
    'subjects of v1alpha1': {
      version: 'rbac.authorization.k8s.io/v1alpha1',
      kind: 'RoleBinding',
      old: {
        subjects: [
          { kind: 'User', name: 'u', apiVersion: 'rbac.authorization.k8s.io/v1alpha1' },
          { kind: 'ServiceAccount', name: 's', namespace: 'n', apiVersion: 'v1' },
        ],
      },
      today: {
        subjects: [
          { kind: 'User', name: 'u', apiGroup: 'rbac.authorization.k8s.io' },
          { kind: 'ServiceAccount', name: 's', namespace: 'n' },
        ],
      },
    },
    'metrics of autoscaling/v2beta1': {
      version: 'autoscaling/v2beta1',
      kind: 'HorizontalPodAutoscaler',
      old: {
        spec: {
          maxReplicas: 3,
          metrics: [
            { type: 'Resource', resource: { name: 'cpu', targetAverageUtilization: 50 } },
            { type: 'Pods', pods: { metricName: 'rps', targetAverageValue: '1k' } },
          ],
        },
      },
      today: {
        spec: {
          maxReplicas: 3,
          metrics: [
            { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
            { type: 'Pods', pods: { metric: { name: 'rps' }, target: { type: 'AverageValue', averageValue: '1k' } } },
          ],
        },
      },
    },
  };
  for (const [name, { version, kind, old, today }] of Object.entries(cases)) {
    test(name, () => {
      const info = find(version, kind);
      const given = object(version, kind, old);
      const kept = structuredClone(given);
      const stored = convertToStorage(info, given);
      assert.deepEqual(given, kept, 'the argument is as it was');
      assert.deepEqual(stored, object(info.storageVersion, kind, today));
      const { status: _status, ...back } = convertFromStorage(info, stored);
      assert.deepEqual(back, given);
    });
  }

  test('the user * of v1alpha1 was everybody', () => {
    const binding = object('', 'ClusterRoleBinding', { subjects: [{ kind: 'User', name: '*' }] });
    const info = find('rbac.authorization.k8s.io/v1alpha1', 'ClusterRoleBinding');
    assert.deepEqual(convertToStorage(info, binding)['subjects'], [
      { kind: 'Group', apiGroup: 'rbac.authorization.k8s.io', name: 'system:authenticated' },
    ]);
  });

  test('a path without a type had none', () => {
    const given = object('extensions/v1beta1', 'Ingress', { spec: { rules: [{ http: { paths: [{ backend: {} }] } }] } });
    find('extensions/v1beta1', 'Ingress').legacy!.applyDefaults!(given);
    assert.match(JSON.stringify(given), /"pathType":"ImplementationSpecific"/);
  });
});

test('tables show what those of the stored version show', () => {
  const info = find('autoscaling/v2beta1', 'HorizontalPodAutoscaler');
  const today = findResource('autoscaling', 'v2', 'horizontalpodautoscalers')!;
  assert.deepEqual(columnsFor(info), columnsFor(today));
  const metrics = [{ type: 'Resource', resource: { name: 'cpu', targetAverageUtilization: 50 } }];
  const spec = { maxReplicas: 3, metrics, scaleTargetRef: { kind: 'Deployment', name: 'd' } };
  const old = object('autoscaling/v2beta1', 'HorizontalPodAutoscaler', { spec, status: { currentReplicas: 1 } });
  assert.deepEqual(rowFor(info, old, 0).cells, rowFor(today, convertToStorage(info, old), 0).cells);
});
