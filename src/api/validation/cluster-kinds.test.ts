import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KubeObject } from '../meta.ts';
import { builtinResources } from '../scheme.ts';
import type { ResourceInfo } from '../schema/schema.ts';
import { validateCreate, validateUpdate } from './validate.ts';

function infoOf(kind: string): ResourceInfo {
  return builtinResources().find((info) => info.kind === kind && info.version === 'v1')!;
}

function objectOf(kind: string, name: string, spec: object): KubeObject {
  const { group, version } = infoOf(kind);
  const metadata = { name, uid: 'u', creationTimestamp: '2026-01-01T00:00:00Z', resourceVersion: '1' };
  return { apiVersion: `${group}/${version}`, kind, metadata, spec };
}

const told = (found: readonly { field: string; message: string }[]): string[] => found.map(({ field, message }) => `${field}: ${message}`);

interface Case {
  name: string;
  kind: string;
  object?: string;
  spec: object;
  /** An update of this. */
  old?: object;
  told: string[];
}

const rule = (more: object = {}): object => ({
  subjects: [{ kind: 'User', user: { name: 'jane' } }],
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true }],
  ...more,
});
const flow = (more: object = {}): object => ({
  matchingPrecedence: 500,
  priorityLevelConfiguration: { name: 'low' },
  rules: [rule()],
  ...more,
});
const queuing = { queues: 64, handSize: 8, queueLengthLimit: 50 };
const level = (more: object = {}): object => ({
  type: 'Limited',
  limited: { nominalConcurrencyShares: 30, lendablePercent: 0, limitResponse: { type: 'Queue', queuing }, ...more },
});
const parent = { resource: 'services', namespace: 'default', name: 'web' };

const cases: Case[] = [
  { name: 'a range', kind: 'ServiceCIDR', spec: { cidrs: ['10.0.0.0/24', 'fd00::/112'] }, told: [] },
  { name: 'no range', kind: 'ServiceCIDR', spec: { cidrs: [] }, told: ['spec.cidrs: Required value: at least one CIDR required'] },
  {
    name: 'two of a family',
    kind: 'ServiceCIDR',
    spec: { cidrs: ['10.0.0.0/24', '10.1.0.0/24'] },
    told: [
      'spec.cidrs: Invalid value: ["10.0.0.0/24","10.1.0.0/24"]: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/96',
    ],
  },
  {
    name: 'an address in a range',
    kind: 'ServiceCIDR',
    spec: { cidrs: ['10.0.0.5/24'] },
    told: ['spec.cidrs[0]: Invalid value: "10.0.0.5/24": wrong CIDR format, IP doesn\'t match network IP address'],
  },
  {
    name: 'no range at all',
    kind: 'ServiceCIDR',
    spec: { cidrs: ['ten'] },
    told: ['spec.cidrs[0]: Invalid value: "ten": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'],
  },
  {
    name: 'a second family comes',
    kind: 'ServiceCIDR',
    old: { cidrs: ['10.0.0.0/24'] },
    spec: { cidrs: ['10.0.0.0/24', 'fd00:1::/64'] },
    told: [],
  },
  {
    name: 'a range moves',
    kind: 'ServiceCIDR',
    old: { cidrs: ['10.0.0.0/24'] },
    spec: { cidrs: ['10.1.0.0/24'] },
    told: ['spec.cidrs[0]: Invalid value: "10.1.0.0/24": field is immutable'],
  },
  { name: 'an address', kind: 'IPAddress', object: '10.0.0.1', spec: { parentRef: parent }, told: [] },
  { name: 'nobody’s address', kind: 'IPAddress', object: '10.0.0.1', spec: {}, told: ['spec.parentRef: Required value'] },
  {
    name: 'an address of nothing in particular',
    kind: 'IPAddress',
    object: '10.0.0.1',
    spec: { parentRef: { resource: '', name: '' } },
    told: ['spec.parentRef.resource: Required value', 'spec.parentRef.name: Required value'],
  },
  {
    name: 'an address changes hands',
    kind: 'IPAddress',
    object: '10.0.0.1',
    old: { parentRef: parent },
    spec: { parentRef: { ...parent, name: 'other' } },
    told: ['spec.parentRef: Invalid value: {"resource":"services","namespace":"default","name":"other"}: field is immutable'],
  },
  { name: 'a schema', kind: 'FlowSchema', spec: flow(), told: [] },
  {
    name: 'too far behind',
    kind: 'FlowSchema',
    spec: flow({ matchingPrecedence: 10_001 }),
    told: ['spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000'],
  },
  {
    name: 'before all others',
    kind: 'FlowSchema',
    spec: flow({ matchingPrecedence: 1 }),
    told: ["spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1"],
  },
  {
    name: 'no level',
    kind: 'FlowSchema',
    spec: flow({ priorityLevelConfiguration: { name: '' } }),
    told: ['spec.priorityLevelConfiguration.name: Required value: must reference a priority level'],
  },
  {
    name: 'nobody and nothing',
    kind: 'FlowSchema',
    spec: flow({ rules: [{ subjects: [] }] }),
    told: [
      'spec.rules[0].subjects: Required value: subjects must contain at least one value',
      'spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty',
    ],
  },
  {
    name: 'subjects of another kind',
    kind: 'FlowSchema',
    spec: flow({ rules: [rule({ subjects: [{ kind: 'User', group: { name: 'devs' } }, { kind: 'Robot' }] })] }),
    told: [
      "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
      "spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'",
      'spec.rules[0].subjects[1].kind: Unsupported value: "Robot": supported values: "Group", "ServiceAccount", "User"',
    ],
  },
  {
    name: 'everything and more',
    kind: 'FlowSchema',
    spec: flow({ rules: [rule({ resourceRules: [{ verbs: ['*', 'get'], apiGroups: [''], resources: ['pods'] }] })] }),
    told: [
      'spec.rules[0].resourceRules[0].verbs: Invalid value: ["*","get"]: if \'*\' is present, must not specify other verbs',
      'spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace',
    ],
  },
  {
    name: 'the last resort changes',
    kind: 'FlowSchema',
    object: 'catch-all',
    old: flow({ matchingPrecedence: 10_000 }),
    spec: flow({ matchingPrecedence: 9999 }),
    told: [`spec: Invalid value: ${JSON.stringify(flow({ matchingPrecedence: 9999 }))}: spec of 'catch-all' must equal the fixed value`],
  },
  { name: 'a level', kind: 'PriorityLevelConfiguration', spec: level(), told: [] },
  {
    name: 'exempt by another name',
    kind: 'PriorityLevelConfiguration',
    spec: { type: 'Exempt' },
    told: ["spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if `name` is 'exempt'"],
  },
  {
    name: 'limited by nothing',
    kind: 'PriorityLevelConfiguration',
    spec: { type: 'Limited' },
    told: ['spec.limited: Required value: must not be empty when type is Limited'],
  },
  {
    name: 'a hand larger than the deck',
    kind: 'PriorityLevelConfiguration',
    spec: level({ limitResponse: { type: 'Queue', queuing: { ...queuing, queues: 4 } } }),
    told: ['spec.limited.limitResponse.queuing.handSize: Invalid value: 8: should not be greater than queues (4)'],
  },
  {
    name: 'more than a hash can tell apart',
    kind: 'PriorityLevelConfiguration',
    spec: level({ limitResponse: { type: 'Queue', queuing: { ...queuing, queues: 512, handSize: 8 } } }),
    told: [
      'spec.limited.limitResponse.queuing.handSize: Invalid value: 8: required entropy bits of deckSize 512 and handSize 8 should not be greater than 60',
    ],
  },
  {
    name: 'refusals that queue',
    kind: 'PriorityLevelConfiguration',
    spec: level({ lendablePercent: 101, limitResponse: { type: 'Reject', queuing } }),
    told: [
      'spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive',
      'spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited',
    ],
  },
];

describe('ranges, addresses and flow control', () => {
  for (const { name, kind, object = 'x', spec, old, told: expected } of cases)
    test(`${kind}: ${name}`, () => {
      const info = infoOf(kind);
      const found = old
        ? validateUpdate(info, objectOf(kind, object, spec), objectOf(kind, object, old))
        : validateCreate(info, objectOf(kind, object, spec));
      assert.deepEqual(told(found), expected);
    });
});
