import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeConditions } from './conditions.ts';
import type { ContentReport } from './delete-content.ts';

const NOW = Date.UTC(2026, 0, 1);
const CLEAN: ContentReport = { done: true, undiscovered: [], errors: [], remaining: [], finalizers: new Map() };
const DISCOVERED = 'NamespaceDeletionDiscoveryFailure=False ResourcesDiscovered: All resources successfully discovered';
const PARSED = 'NamespaceDeletionGroupVersionParsingFailure=False ParsedGroupVersions: All legacy kube types successfully parsed';
const DELETED = 'NamespaceDeletionContentFailure=False ContentDeleted: All content successfully deleted, may be waiting on finalization';
const REMOVED = 'NamespaceContentRemaining=False ContentRemoved: All content successfully removed';
const FINALIZED = 'NamespaceFinalizersRemaining=False ContentHasNoFinalizers: All content-preserving finalizers finished';

const CASES: { name: string; report: Partial<ContentReport>; expected: string[] }[] = [
  { name: 'nothing is left', report: {}, expected: [DISCOVERED, PARSED, DELETED, REMOVED, FINALIZED] },
  {
    name: 'a group does not answer',
    report: { undiscovered: ['example.com/v1'] },
    expected: [
      'NamespaceDeletionDiscoveryFailure=True DiscoveryFailed: Discovery failed for some groups, 1 failing: example.com/v1: unable to retrieve its resources',
      PARSED,
      DELETED,
      REMOVED,
      FINALIZED,
    ],
  },
  {
    name: 'a kind cannot be deleted',
    report: { errors: ['widgets: webhook is down'] },
    expected: [
      DISCOVERED,
      PARSED,
      'NamespaceDeletionContentFailure=True ContentDeletionFailed: Failed to delete all resource types, 1 remaining: widgets: webhook is down',
      REMOVED,
      FINALIZED,
    ],
  },
  {
    name: 'content is held',
    report: {
      remaining: [
        { resource: 'widgets', group: 'example.com', count: 2 },
        { resource: 'pods', group: '', count: 1 },
      ],
      finalizers: new Map([['example.com/hold', 2]]),
    },
    expected: [
      DISCOVERED,
      PARSED,
      DELETED,
      'NamespaceContentRemaining=True SomeResourcesRemain: Some resources are remaining: pods. has 1 resource instances, widgets.example.com has 2 resource instances',
      'NamespaceFinalizersRemaining=True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/hold in 2 resource instances',
    ],
  },
];

for (const { name, report, expected } of CASES) {
  test(`the conditions of a namespace that goes: ${name}`, () => {
    const conditions = mergeConditions([], { ...CLEAN, ...report }, NOW)!;
    assert.deepEqual(
      conditions.map(({ type, status, reason, message }) => `${type}=${status} ${reason}: ${message}`),
      expected,
    );
    assert.equal(mergeConditions(conditions, { ...CLEAN, ...report }, NOW + 1000), undefined);
  });
}

test('a condition that turns gets a new time, the others keep theirs', () => {
  const before = mergeConditions([], { ...CLEAN, errors: ['widgets: no'] }, NOW)!;
  const after = mergeConditions(before, CLEAN, NOW + 1000)!;
  const times = Object.fromEntries(after.map(({ type, lastTransitionTime }) => [type, Date.parse(lastTransitionTime!) - NOW]));
  assert.equal(times['NamespaceDeletionContentFailure'], 1000);
  assert.equal(times['NamespaceContentRemaining'], 0);
});
