import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applyMergePatch } from '../patch/merge-patch.ts';
import type { KubeObject } from '../meta.ts';
import { findResource } from '../scheme.ts';
import { validateCreate } from './validate.ts';

const CA = Buffer.from('a certificate').toString('base64');
const GOOD: KubeObject = {
  kind: 'APIService',
  apiVersion: 'apiregistration.k8s.io/v1',
  metadata: { name: 'v1beta1.metrics.k8s.io' },
  spec: {
    group: 'metrics.k8s.io',
    version: 'v1beta1',
    service: { namespace: 'kube-system', name: 'metrics-server', port: 443 },
    groupPriorityMinimum: 100,
    versionPriority: 100,
  },
};

describe('APIService', () => {
  const cases: Record<string, { change: object; expected: string[] }> = {
    'a good one': { change: {}, expected: [] },
    'the core group, served here': {
      change: { metadata: { name: 'v1.' }, spec: { group: '', version: 'v1', service: null } },
      expected: [],
    },
    'another name': {
      change: { metadata: { name: 'metrics' } },
      expected: ['metadata.name: Invalid value: "metrics": must be `spec.version+"."+spec.group`: "v1beta1.metrics.k8s.io"'],
    },
    'no group': {
      change: { metadata: { name: 'v1beta1.' }, spec: { group: null } },
      expected: ['spec.group: Required value: only v1 may have an empty group and it better be legacy kube'],
    },
    priorities: {
      change: { spec: { groupPriorityMinimum: 20_001, versionPriority: 0 } },
      expected: [
        'spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than 20000',
        'spec.versionPriority: Invalid value: 0: must be positive and less than 1000',
      ],
    },
    'a Service without a name and at no port': {
      change: { spec: { service: { name: null, port: 70_000 } } },
      expected: [
        'spec.service.name: Required value',
        'spec.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive',
      ],
    },
    'insecure with a CA': {
      change: { spec: { insecureSkipTLSVerify: true, caBundle: CA } },
      expected: ['spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present'],
    },
    'local with what only others need': {
      change: { spec: { service: null, insecureSkipTLSVerify: true, caBundle: CA } },
      expected: [
        'spec.caBundle: Invalid value: "13 bytes": local APIServices may not have a caBundle',
        'spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify',
      ],
    },
  };
  const info = findResource('apiregistration.k8s.io', 'v1', 'apiservices')!;
  for (const [name, { change, expected }] of Object.entries(cases)) {
    test(name, () => {
      const found = validateCreate(info, applyMergePatch(GOOD, change));
      assert.deepEqual(
        found.map(({ field, message }) => `${field}: ${message}`),
        expected,
      );
    });
  }
});
