import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { profilePaths } from './paths.ts';
import { exampleProfile } from './profile.fixture.ts';
import { checkProfileName, listProfileNames, parseProfile, readProfile, removeProfile, requireProfile, writeProfile } from './profile.ts';

const home = await mkdtemp(join(tmpdir(), 'rockpool-profile-'));
after(() => rm(home, { recursive: true }));

const profile = exampleProfile({ name: 'lesson', addons: ['dns'] });

test('what is written is read, and removed profiles are gone', async () => {
  assert.deepEqual(await listProfileNames(join(home, 'nothing')), []);
  assert.equal(await readProfile(home, 'lesson'), undefined);
  await assert.rejects(requireProfile(home, 'lesson'), { code: 'PROFILE_NOT_FOUND', exitCode: 15 });
  await writeProfile(home, profile);
  assert.deepEqual(await readProfile(home, 'lesson'), profile);
  assert.deepEqual(await listProfileNames(home), ['lesson']);
  await removeProfile(home, 'lesson');
  await removeProfile(home, 'lesson');
  assert.deepEqual(await listProfileNames(home), []);
});

const corrupt: { name: string; text: string; says: RegExp }[] = [
  { name: 'empty file', text: '', says: /is not JSON/ },
  { name: 'cut in the middle', text: JSON.stringify(profile).slice(0, 40), says: /is not JSON/ },
  { name: 'not an object', text: '[1]', says: /does not hold an object/ },
  {
    name: 'port of a wrong type',
    text: JSON.stringify({ ...profile, apiPort: '41000' }),
    says: /field "apiPort" must be a port number, found "41000"/,
  },
  { name: 'port out of range', text: JSON.stringify({ ...profile, apiPort: 70_000 }), says: /field "apiPort"/ },
  {
    name: 'unknown driver',
    text: JSON.stringify({ ...profile, driver: 'vm' }),
    says: /field "driver" must be one of docker, sim, found "vm"/,
  },
  {
    name: 'missing field',
    text: JSON.stringify({ ...profile, serviceCidr: undefined }),
    says: /field "serviceCidr" must be an IPv4 range .* found nothing/,
  },
  {
    name: "another profile's file",
    text: JSON.stringify({ ...profile, name: 'other' }),
    says: /field "name" must be "lesson", found "other"/,
  },
  { name: 'addons that are no list', text: JSON.stringify({ ...profile, addons: 'dns' }), says: /field "addons" must be a list of texts/ },
  { name: 'a later schema', text: JSON.stringify({ ...profile, schema: 2 }), says: /field "schema" must be one of 1, found 2/ },
];

for (const { name, text, says } of corrupt) {
  test(`corrupt profile: ${name}`, async () => {
    const path = profilePaths(home, 'lesson').profile;
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    await assert.rejects(readProfile(home, 'lesson'), (error: Error & { code: string; exitCode: number; advice: string[] }) => {
      assert.equal(error.code, 'PROFILE_CORRUPT');
      assert.equal(error.exitCode, 18);
      assert.match(error.message, says);
      assert.ok(error.message.includes(path), 'names the file');
      assert.ok(error.advice.length > 0);
      return true;
    });
  });
}

test('optional fields may be absent', () => {
  const { nodeImage: _, subnet: __, nodeIp: ___, ...least } = profile;
  assert.deepEqual(parseProfile(JSON.stringify(least), 'x', 'lesson'), least);
});

for (const [name, good] of [
  ['rockpool', true],
  ['ab', true],
  ['a', false],
  ['team-1', true],
  ['-a', false],
  ['a-', false],
  ['A', false],
  ['a/b', false],
  ['..', false],
  ['a'.repeat(40), true],
  ['a'.repeat(41), false],
  ['', false],
] as const) {
  test(`profile name ${JSON.stringify(name)} is ${good ? 'good' : 'refused'}`, () => {
    if (good) checkProfileName(name);
    else assert.throws(() => checkProfileName(name), { code: 'PROFILE_NAME' });
  });
}
