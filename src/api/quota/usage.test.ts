import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../meta.ts';
import type { PersistentVolumeClaimStatus, ResourceQuota } from '../types.gen.ts';
import { inScope } from './usage.ts';

const CLAIMS = { group: '', resource: 'persistentvolumeclaims' };

function quota(operator: string, values?: string[]): ResourceQuota {
  const matchExpressions = [{ scopeName: 'VolumeAttributesClass', operator, ...(values ? { values } : {}) }];
  return { metadata: { name: 'q' }, spec: { hard: { persistentvolumeclaims: '1' }, scopeSelector: { matchExpressions } } };
}

function claim(volumeAttributesClassName?: string, status: PersistentVolumeClaimStatus = {}): KubeObject {
  return { metadata: { name: 'c' }, spec: { volumeAttributesClassName }, status };
}

const changing: PersistentVolumeClaimStatus = {
  currentVolumeAttributesClassName: 'silver',
  modifyVolumeStatus: { status: 'InProgress', targetVolumeAttributesClassName: 'gold' },
};

const CASES: [what: string, quota: ResourceQuota, claim: KubeObject, expected: boolean][] = [
  ['a claim of the class', quota('In', ['gold']), claim('gold'), true],
  ['of another', quota('In', ['gold']), claim('silver'), false],
  ['on its way to it', quota('In', ['gold']), claim('silver', changing), true],
  ['of any', quota('Exists'), claim('silver'), true],
  ['of none', quota('Exists'), claim(), false],
  ['of none, where none is asked for', quota('DoesNotExist'), claim(), true],
];

for (const [what, limits, object, expected] of CASES) {
  test(`a quota on a class of volume attributes and a claim: ${what}`, () => assert.equal(inScope(limits, CLAIMS, object), expected));
}

test('scopes of pods count no claims', () => {
  const limits: ResourceQuota = { metadata: { name: 'q' }, spec: { scopes: ['BestEffort'] } };
  assert.equal(inScope(limits, CLAIMS, claim('gold')), false);
});
