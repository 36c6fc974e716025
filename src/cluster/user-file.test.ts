import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type UserFile, userFile } from './user-file.ts';

let home: string;
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'rockpool-user-file-'));
});
after(() => rm(home, { recursive: true }));

const fileOf = (given: string | undefined): Promise<UserFile> => userFile(given, { what: 'audit policy', copy: join(home, 'copy.yaml') });
const textOf = async (given?: string): Promise<string | undefined> => (await fileOf(given)).text;

test('a file stays until another is given, and is kept only when the cluster came up with it', async () => {
  const file = join(home, 'mine.yaml');
  await writeFile(file, 'kind: Policy\n');
  assert.equal(await textOf(), undefined, 'off unless asked for');
  const given = await fileOf(file);
  assert.equal(given.text, 'kind: Policy\n');
  assert.equal(await textOf(), undefined, 'not kept yet');
  await given.keep();
  assert.equal(await textOf(), 'kind: Policy\n');
  await (await fileOf(undefined)).keep();
  assert.equal(await textOf(), 'kind: Policy\n');
  const off = await fileOf('');
  assert.equal(off.text, undefined);
  await off.keep();
  assert.equal(await textOf(), undefined);
});

test('a file that is not there is named', async () => {
  await assert.rejects(fileOf(join(home, 'none.yaml')), { code: 'CONFIG_FILE', message: /none\.yaml/ });
});
