import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KubeObject } from '../meta.ts';
import { applyJsonPatch } from '../patch/json-patch.ts';
import { ready, resource } from './good-objects.fixture.ts';
import { specDiff } from './spec-diff.ts';
import { validateEphemeralContainersUpdate, validateResize, validateUpdate } from './validate.ts';

const info = resource('/v1/pods');
const cpu = { requests: { cpu: '100m' }, limits: { cpu: '200m' } };
const resizePolicy = [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }];
const term = (...values: string[]): object => ({ matchExpressions: values.map((key) => ({ key, operator: 'Exists' })) });
const place = (...terms: object[]): object => ({
  nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } },
});

function pod(more: object = {}, annotations: Record<string, string> = {}): KubeObject {
  const containers = [{ name: 'a', image: 'nginx', resources: cpu, resizePolicy }];
  const initContainers = [
    { name: 'once', image: 'nginx', resources: cpu },
    { name: 'side', image: 'nginx', resources: cpu, restartPolicy: 'Always' },
  ];
  const old = ready(info, { metadata: { name: 'p', namespace: 'default', annotations }, spec: { containers, initContainers, ...more } });
  old.metadata.generation = 2;
  return old;
}

interface Case {
  name: string;
  old?: KubeObject;
  patch: object[];
  /** How each finding begins, in order. */
  told: string[];
}

function check(validate: typeof validateUpdate, cases: readonly Case[]): void {
  for (const { name, old = pod(), patch, told } of cases) {
    test(name, () => {
      const found = validate(info, applyJsonPatch(old, patch), old).map(({ field, message }) => `${field}: ${message}`);
      assert.deepEqual(
        found.map((text, index) => text.slice(0, told[index]?.length)),
        told,
      );
    });
  }
}

const replace = (path: string, value: unknown): object[] => [{ op: 'add', path, value }];
const gated = { schedulingGates: [{ name: 'g' }] };

describe('a pod', () => {
  check(validateUpdate, [
    { name: 'its image may change', patch: replace('/spec/containers/0/image', 'httpd'), told: [] },
    { name: 'a deadline may come', patch: replace('/spec/activeDeadlineSeconds', 1), told: [] },
    {
      name: 'a deadline only shrinks',
      old: pod({ activeDeadlineSeconds: 5 }),
      patch: replace('/spec/activeDeadlineSeconds', 6),
      told: ['spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value'],
    },
    {
      name: 'gates do not come',
      patch: replace('/spec/schedulingGates', [{ name: 'late' }]),
      told: ["spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'late'"],
    },
    { name: 'a node selector grows while gated', old: pod(gated), patch: replace('/spec/nodeSelector', { a: 'b' }), told: [] },
    {
      name: 'a node selector does not change while gated',
      old: pod({ ...gated, nodeSelector: { a: 'b' } }),
      patch: replace('/spec/nodeSelector', { a: 'c' }),
      told: ['spec.nodeSelector: Invalid value: {"a":"c"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)'],
    },
    { name: 'an affinity comes while gated', old: pod(gated), patch: replace('/spec/affinity', place(term('a'))), told: [] },
    {
      name: 'an affinity narrows while gated',
      old: pod({ ...gated, affinity: place(term('a')) }),
      patch: replace('/spec/affinity', place(term('a', 'b'))),
      told: [],
    },
    {
      name: 'an affinity gets no alternatives',
      old: pod({ ...gated, affinity: place(term('a')) }),
      patch: replace('/spec/affinity', place(term('a'), term('b'))),
      told: ['spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Invalid value: '],
    },
    {
      name: 'pod affinity stays, gated or not',
      old: pod(gated),
      patch: replace('/spec/affinity', {
        podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'a', labelSelector: {} }] },
      }),
      told: ['spec: Forbidden: pod updates may not change fields other than'],
    },
  ]);
});

describe('resize', () => {
  check(validateResize, [
    { name: 'an amount', patch: replace('/spec/containers/0/resources/requests/cpu', '150m'), told: [] },
    { name: 'of a sidecar', patch: replace('/spec/initContainers/1/resources/requests/cpu', '150m'), told: [] },
    {
      name: 'of an init container',
      patch: replace('/spec/initContainers/0/resources/requests/cpu', '150m'),
      told: ['spec: Forbidden: resources for non-sidecar init containers are immutable'],
    },
    {
      name: 'a limit does not go',
      patch: replace('/spec/containers/0/resources/limits', {}),
      told: ['spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed'],
    },
    {
      name: 'only cpu and memory',
      patch: replace('/spec/containers/0/resources/requests/ephemeral-storage', '1Gi'),
      told: ['spec: Forbidden: only cpu and memory resources are mutable'],
    },
    {
      name: 'the order stays',
      patch: replace('/spec/containers/0/name', 'b'),
      told: ['spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize'],
    },
    {
      name: 'not of a static pod',
      old: pod({}, { 'kubernetes.io/config.mirror': 'x' }),
      patch: replace('/spec/containers/0/resources/requests/cpu', '150m'),
      told: [': Forbidden: static pods cannot be resized'],
    },
  ]);

  test('the quality of service stays', () => {
    const old = pod({ initContainers: [], containers: [{ name: 'a', image: 'nginx' }] });
    const next = applyJsonPatch(old, replace('/spec/containers/0/resources', cpu));
    assert.equal(
      validateResize(info, next, old)[0]?.message,
      'Invalid value: "BestEffort": Pod QOS Class may not change as a result of resizing',
    );
  });
});

describe('ephemeral containers', () => {
  const debugged = pod({ ephemeralContainers: [{ name: 'd', image: 'busybox', targetContainerName: 'a' }] });
  const given = (container: object): object[] => replace('/spec/ephemeralContainers', [container]);
  const base = { image: 'busybox', imagePullPolicy: 'Always', terminationMessagePolicy: 'File' };
  const cannot = 'Forbidden: cannot be set for an Ephemeral Container';
  check(validateEphemeralContainersUpdate, [
    { name: 'one comes', patch: given({ ...base, name: 'd' }), told: [] },
    {
      name: 'names are unique among all containers',
      patch: given({ ...base, name: 'a' }),
      told: ['spec.ephemeralContainers[0].name: Duplicate value: "a"'],
    },
    {
      name: 'its target exists',
      patch: given({ ...base, name: 'd', targetContainerName: 'b' }),
      told: ['spec.ephemeralContainers[0].targetContainerName: Not found: "b"'],
    },
    {
      name: 'it serves nothing',
      patch: given({
        ...base,
        name: 'd',
        ports: [{ containerPort: 1, protocol: 'TCP' }],
        lifecycle: { preStop: { exec: { command: ['x'] } } },
      }),
      told: [`spec.ephemeralContainers[0].ports: ${cannot}`, `spec.ephemeralContainers[0].lifecycle: ${cannot}`],
    },
    {
      name: 'none goes',
      old: debugged,
      patch: replace('/spec/ephemeralContainers', []),
      told: ['spec.ephemeralContainers: Forbidden: existing ephemeral containers "d" may not be removed'],
    },
    {
      name: 'none changes',
      old: debugged,
      patch: replace('/spec/ephemeralContainers/0/image', 'nginx'),
      told: [
        'spec.ephemeralContainers: Forbidden: existing ephemeral containers "d" may not be changed\n@@ -1,5 +1,5 @@\n {\n-  "image": "busybox",',
      ],
    },
  ]);
});

describe('the difference of two specs', () => {
  test('nothing for equals, whatever the order of their keys', () => assert.equal(specDiff({ a: 1, b: [2] }, { b: [2], a: 1 }), ''));

  test('changes far from each other are hunks of their own', () => {
    const before = Array.from({ length: 20 }, (_, index) => index);
    const after = before.with(0, 100).with(19, 119);
    assert.deepEqual(specDiff(before, after).match(/^@@.*@@$/gm), ['@@ -1,5 +1,5 @@', '@@ -18,5 +18,5 @@']);
  });
});
