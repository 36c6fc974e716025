import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applyMergePatch } from '../patch/merge-patch.ts';
import { prepareForUpdate } from '../strategy/prepare.ts';
import { container, GOOD, ready, resource } from './good-objects.fixture.ts';
import { validateUpdate } from './validate.ts';

interface Update {
  resource: string;
  name: string;
  change: Record<string, unknown>;
  expected: string[];
}

const POD_FIXED =
  'spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

const UPDATES: Update[] = [
  {
    resource: 'apps/v1/deployments',
    name: 'selector',
    change: { spec: { selector: { matchLabels: { app: 'web', v: '1' } }, template: { metadata: { labels: { v: '1' } } } } },
    expected: ['spec.selector: Invalid value: {"matchLabels":{"app":"web","v":"1"}}: field is immutable'],
  },
  {
    resource: 'apps/v1/deployments',
    name: 'image may change',
    change: {
      spec: {
        template: {
          spec: {
            containers: [
              {
                ...container,
                image: 'httpd',
                imagePullPolicy: 'Always',
                terminationMessagePath: '/x',
                terminationMessagePolicy: 'File',
                resources: {},
              },
            ],
          },
        },
      },
    },
    expected: [],
  },
  {
    resource: 'apps/v1/deployments',
    name: 'uid',
    change: { metadata: { uid: 'other' } },
    expected: ['metadata.uid: Invalid value: "other": field is immutable'],
  },
  {
    resource: '/v1/pods',
    name: 'node',
    change: { spec: { nodeName: 'n2' } },
    expected: [
      `${POD_FIXED}\n@@ -161,7 +161,6 @@\n       "terminationMessagePolicy": "File"\n     }\n   ],\n-  "nodeName": "n2",\n   "restartPolicy": "Always",\n   "schedulerName": "default-scheduler",\n   "securityContext": {},\n`,
    ],
  },
  { resource: '/v1/pods', name: 'labels may change', change: { metadata: { labels: { a: 'b' } } }, expected: [] },
  {
    resource: 'apps/v1/statefulsets',
    name: 'service name',
    change: { spec: { serviceName: 'other' } },
    expected: [
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    ],
  },
  {
    resource: 'rbac.authorization.k8s.io/v1/rolebindings',
    name: 'role',
    change: { roleRef: { name: 'edit' } },
    expected: [
      'roleRef: Invalid value: {"kind":"ClusterRole","name":"edit","apiGroup":"rbac.authorization.k8s.io"}: cannot change roleRef',
    ],
  },
  {
    resource: 'storage.k8s.io/v1/storageclasses',
    name: 'provisioner',
    change: { provisioner: 'other' },
    expected: ['provisioner: Forbidden: updates to provisioner are forbidden.'],
  },
];

describe('updates', () => {
  for (const { resource: name, name: what, change, expected } of UPDATES) {
    test(`${name}: ${what}`, () => {
      const info = resource(name);
      const old = ready(info, GOOD[name]!);
      const next = prepareForUpdate(info, applyMergePatch(old, change), old);
      assert.deepEqual(
        validateUpdate(info, next, old).map(({ field, message }) => `${field}: ${message}`),
        expected,
      );
    });
  }

  test('an immutable ConfigMap', () => {
    const info = resource('/v1/configmaps');
    const old = ready(info, { ...GOOD['/v1/configmaps'], immutable: true });
    const next = prepareForUpdate(info, applyMergePatch(old, { data: { b: '' }, immutable: null }), old);
    const locked = 'Forbidden: field is immutable when `immutable` is set';
    assert.deepEqual(
      validateUpdate(info, next, old).map(({ field, message }) => `${field}: ${message}`),
      [`immutable: ${locked}`, `data: ${locked}`],
    );
  });

  test('a cluster IP stays', () => {
    const info = resource('/v1/services');
    const old = ready(info, applyMergePatch(GOOD['/v1/services']!, { spec: { clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'] } }));
    const next = prepareForUpdate(info, applyMergePatch(old, { spec: { clusterIP: '10.0.0.2', clusterIPs: ['10.0.0.2'] } }), old);
    assert.deepEqual(
      validateUpdate(info, next, old).map(({ field, message }) => `${field}: ${message}`),
      ['spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set'],
    );
  });
});
