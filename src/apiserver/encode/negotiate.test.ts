import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { StatusError } from '../../api/status.ts';
import { negotiate, negotiatePlain } from './negotiate.ts';

describe('negotiate', () => {
  const cases: { name: string; accept?: string; query?: string; agent?: string; want: string }[] = [
    { name: 'nothing said', want: 'json' },
    { name: 'anything', accept: '*/*', want: 'json' },
    { name: 'yaml', accept: 'application/yaml', want: 'yaml' },
    { name: 'typed clients', accept: 'application/vnd.kubernetes.protobuf,application/json', want: 'protobuf' },
    {
      name: 'kubectl get',
      accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json',
      want: 'json Table v1',
    },
    {
      name: 'an unknown form falls to the next clause',
      accept: 'application/json;as=Chart;v=v1;g=meta.k8s.io,application/json',
      want: 'json',
    },
    { name: 'an unknown version too', accept: 'application/json;as=Table;v=v9;g=meta.k8s.io,application/json', want: 'json' },
    {
      name: 'metadata informers',
      accept: 'application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
      want: 'protobuf PartialObjectMetadataList v1',
    },
    { name: 'cbor first', accept: 'application/cbor,application/json;q=0.5', want: 'json' },
    { name: 'watches', accept: 'application/json;stream=watch', want: 'json' },
    { name: 'asked for pretty', query: 'pretty=true', want: 'json pretty' },
    { name: 'a person with curl', agent: 'curl/8.5.0', want: 'json pretty' },
    { name: 'a person who says no', agent: 'curl/8.5.0', query: 'pretty=false', want: 'json' },
  ];
  for (const { name, accept, query = '', agent, want } of cases) {
    test(name, () => {
      const headers = { ...(accept === undefined ? {} : { accept }), ...(agent === undefined ? {} : { 'user-agent': agent }) };
      const { format, as, asVersion, pretty } = negotiate(headers, new URLSearchParams(query));
      assert.equal([format, as, asVersion, pretty && 'pretty'].filter(Boolean).join(' '), want);
    });
  }

  test('nothing that we write is 406', () => {
    assert.throws(
      () => negotiate({ accept: 'text/html' }, new URLSearchParams()),
      (error) => StatusError.is(error, 'NotAcceptable'),
    );
  });
});

test('what has no rows is never a Table: the next clause counts, and without one nothing does', () => {
  const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const plain = (accept: string): string => negotiatePlain({ accept }, new URLSearchParams()).format;
  assert.equal(plain(`${table},application/yaml`), 'yaml');
  assert.equal(plain('application/json'), 'json');
  assert.throws(
    () => plain(table),
    (error: unknown) => error instanceof StatusError && error.code === 406,
  );
});
