import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findResource } from './scheme.ts';
import type { ResourceInfo } from './schema/schema.ts';
import {
  fieldSelectorFor,
  formatLabelSelector,
  labelSelectorOf,
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
} from './selectors.ts';

describe('label selectors', () => {
  const cases: { name: string; text: string; yes: Record<string, string>[]; no: Record<string, string>[] }[] = [
    { name: 'empty matches everything', text: '', yes: [{}, { a: 'b' }], no: [] },
    { name: 'equality', text: 'app=web', yes: [{ app: 'web', x: 'y' }], no: [{}, { app: 'db' }] },
    { name: 'double equality with blanks', text: ' app == web ', yes: [{ app: 'web' }], no: [{ app: 'w' }] },
    { name: 'inequality holds for the absent', text: 'app!=web', yes: [{}, { app: 'db' }], no: [{ app: 'web' }] },
    { name: 'in', text: 'tier in (a, b)', yes: [{ tier: 'a' }, { tier: 'b' }], no: [{}, { tier: 'c' }] },
    { name: 'notin', text: 'tier notin (a,b)', yes: [{}, { tier: 'c' }], no: [{ tier: 'a' }] },
    { name: 'empty value in a set', text: 'tier in (a,)', yes: [{ tier: '' }, { tier: 'a' }], no: [{}] },
    { name: 'exists', text: 'app', yes: [{ app: '' }], no: [{}] },
    { name: 'does not exist', text: '!app', yes: [{}], no: [{ app: '' }] },
    { name: 'empty value', text: 'app=', yes: [{ app: '' }], no: [{}, { app: 'a' }] },
    { name: 'greater', text: 'n>3', yes: [{ n: '10' }], no: [{ n: '3' }, { n: 'x' }, {}] },
    { name: 'several', text: 'a=1,b in (2),!c', yes: [{ a: '1', b: '2' }], no: [{ a: '1', b: '2', c: '' }] },
    { name: 'keys named in', text: 'in in (in),notin=in', yes: [{ in: 'in', notin: 'in' }], no: [{ in: 'in' }] },
    { name: 'inherited names are no labels', text: 'toString', yes: [], no: [{}] },
  ];
  for (const { name, text, yes, no } of cases) {
    test(name, () => {
      const selector = parseLabelSelector(text);
      for (const labels of yes) assert.equal(selector.matches({ metadata: { labels } }), true, JSON.stringify(labels));
      for (const labels of no) assert.equal(selector.matches({ metadata: { labels } }), false, JSON.stringify(labels));
    });
  }

  const broken: { text: string; message: string }[] = [
    { text: 'a b', message: "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt" },
    { text: 'a in b', message: "unable to parse requirement: found 'b' expected: '('" },
    { text: '!a=b', message: "found '=', expected: ',' or 'end of string'" },
    { text: 'a=b,', message: "found '', expected: identifier after ','" },
    { text: '=a', message: "found '=', expected: !, identifier, or 'end of string'" },
    {
      text: 'a in ()',
      message: "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty",
    },
  ];
  for (const { text, message } of broken) {
    test(`refuses ${text}`, () => assert.throws(() => parseLabelSelector(text), new SelectorError(message)));
  }

  test('an absent spec selector matches nothing, an empty one everything', () => {
    assert.equal(labelSelectorOf(undefined).matchesLabels({}), false);
    assert.equal(labelSelectorOf({}).matchesLabels({}), true);
  });

  test('spec selectors compile and print', () => {
    const spec = {
      matchLabels: { b: '2' },
      matchExpressions: [
        { key: 'a', operator: 'In', values: ['y', 'x'] },
        { key: 'c', operator: 'DoesNotExist' },
      ],
    };
    assert.equal(formatLabelSelector(spec), 'a in (x,y),b=2,!c');
    assert.equal(labelSelectorOf(spec).matchesLabels({ a: 'x', b: '2' }), true);
    assert.throws(
      () => labelSelectorOf({ matchExpressions: [{ key: 'a', operator: 'Near' }] }),
      /"Near" is not a valid label selector operator/,
    );
  });
});

describe('field selectors', () => {
  const pod = { metadata: { name: 'a', namespace: 'n' }, spec: { nodeName: 'n1' }, status: { phase: 'Running' } };
  const cases: { text: string; expected: boolean }[] = [
    { text: '', expected: true },
    { text: 'metadata.name=a', expected: true },
    { text: 'spec.nodeName==n1,status.phase!=Failed', expected: true },
    { text: 'spec.nodeName=', expected: false },
    { text: 'spec.hostNetwork=false', expected: true },
    { text: 'status.phase!=Running', expected: false },
  ];
  for (const { text, expected } of cases) {
    test(`${text || 'empty'} is ${expected}`, () => assert.equal(parseFieldSelector(text).matches(pod), expected));
  }

  test('escapes', () => {
    assert.deepEqual(parseFieldSelector(String.raw`a=b\,c\=d`).requirements, [{ field: 'a', operator: '=', value: 'b,c=d' }]);
  });

  test('events are found by what they are about, in either form', () => {
    const selector = parseFieldSelector('involvedObject.name=web');
    assert.equal(selector.matches({ metadata: {}, involvedObject: { name: 'web' } } as never), true);
    assert.equal(selector.matches({ metadata: {}, regarding: { name: 'web' } } as never), true);
  });

  test('pins a value for an index', () => assert.equal(parseFieldSelector('spec.nodeName=n1').exact('spec.nodeName'), 'n1'));

  test('refuses what is no selector or not offered', () => {
    assert.throws(() => parseFieldSelector('abc'), /invalid selector: 'abc'; can't understand 'abc'/);
    const info = { selectableFields: ['spec.nodeName'] } as unknown as ResourceInfo;
    assert.throws(() => fieldSelectorFor(info, 'spec.foo=1'), /field label not supported: spec\.foo/);
  });

  const refused: [resource: string, text: string, message: string][] = [
    ['/v1/nodes', 'metadata.namespace=a', 'field label not supported: metadata.namespace'],
    ['batch/v1/jobs', 'a=b', 'field label "a" not supported for Job'],
    ['resource.k8s.io/v1/resourceslices', 'a=b', 'field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: a'],
    ['/v1/configmaps', 'a=b', '"a" is not a known field selector: only "metadata.name", "metadata.namespace"'],
  ];
  for (const [resource, text, message] of refused) {
    test(`${resource} refuses ${text}`, () => {
      const [group, version, name] = resource.split('/') as [string, string, string];
      assert.throws(() => fieldSelectorFor(findResource(group, version, name)!, text), new SelectorError(message));
    });
  }
});
