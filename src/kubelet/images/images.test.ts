import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Secret } from '../../api/types.gen.ts';
import { registryAuths } from './auth.ts';
import { defaultPullPolicy, isValidImageName, normalizeImageName } from './names.ts';
import { duration } from './puller.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

describe('normalizeImageName', () => {
  for (const [written, expected] of [
    ['nginx', 'docker.io/library/nginx:latest'],
    ['nginx:1.27', 'docker.io/library/nginx:1.27'],
    ['bitnami/redis', 'docker.io/bitnami/redis:latest'],
    ['docker.io/nginx', 'docker.io/library/nginx:latest'],
    ['index.docker.io/library/nginx', 'docker.io/library/nginx:latest'],
    ['ghcr.io/a/b:1', 'ghcr.io/a/b:1'],
    ['localhost:5000/x', 'localhost:5000/x:latest'],
    ['localhost/x', 'localhost/x:latest'],
    [`nginx@${DIGEST}`, `docker.io/library/nginx@${DIGEST}`],
    [`nginx:1@${DIGEST}`, `docker.io/library/nginx:1@${DIGEST}`],
  ] as const) {
    test(written, () => assert.equal(normalizeImageName(written), expected));
  }
});

test('isValidImageName', () => {
  for (const good of ['nginx', 'a.b/c_d:1.0-x', 'localhost:5000/x', `nginx@${DIGEST}`]) assert.ok(isValidImageName(good), good);
  for (const bad of ['', 'a//b', 'Nginx', 'nginx:', 'nginx:a b', 'a'.repeat(64), '-x']) assert.ok(!isValidImageName(bad), bad);
});

test('defaultPullPolicy', () => {
  assert.equal(defaultPullPolicy('nginx'), 'Always');
  assert.equal(defaultPullPolicy('nginx:1'), 'IfNotPresent');
  assert.equal(defaultPullPolicy(`nginx@${DIGEST}`), 'IfNotPresent');
});

describe('registryAuths', () => {
  const base64 = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64');
  const secret = (auths: Record<string, object>): Secret => ({
    metadata: { name: 's' },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': base64({ auths }) },
  });
  const cases: { name: string; secret: Secret; image: string; expected: string[] }[] = [
    {
      name: 'Docker Hub by its old URL',
      secret: secret({ 'https://index.docker.io/v1/': { auth: base64('me:pass:word') } }),
      image: 'docker.io/library/nginx:latest',
      expected: ['me/pass:word'],
    },
    {
      name: 'another registry does not match',
      secret: secret({ 'ghcr.io': { username: 'a', password: 'b' } }),
      image: 'docker.io/library/nginx:latest',
      expected: [],
    },
    {
      name: 'the longer path first',
      secret: secret({ 'r.io': { username: 'a', password: '1' }, 'r.io/team': { username: 'b', password: '2' } }),
      image: 'r.io/team/x:1',
      expected: ['b/2', 'a/1'],
    },
    {
      name: 'a wildcard for one label',
      secret: secret({ '*.r.io': { username: 'a', password: '1' } }),
      image: 'eu.r.io/x:1',
      expected: ['a/1'],
    },
    {
      name: 'what is no JSON is skipped',
      secret: { metadata: { name: 's' }, type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': base64('{') } },
      image: 'r.io/x:1',
      expected: [],
    },
  ];
  for (const { name, secret: given, image, expected } of cases) {
    test(name, () =>
      assert.deepEqual(
        registryAuths([given], image).map(({ username, password }) => `${username}/${password}`),
        expected,
      ),
    );
  }
});

test('durations read as Go prints them', () => {
  assert.deepEqual([312, 1204, 62_500, 60_000].map(duration), ['312ms', '1.204s', '1m2.5s', '1m0s']);
});
