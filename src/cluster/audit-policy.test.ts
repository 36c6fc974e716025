import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { auditPolicyFor } from './audit-policy.ts';

let home: string;
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'rockpool-audit-policy-'));
});
after(() => rm(home, { recursive: true }));

const textOf = async (given?: string): Promise<string | undefined> => (await auditPolicyFor(home, 'p', given)).text;

test('a policy stays until another is given, and is kept only when the cluster came up with it', async () => {
  const file = join(home, 'mine.yaml');
  await writeFile(file, 'kind: Policy\n');
  assert.equal(await textOf(), undefined, 'off unless asked for');
  const given = await auditPolicyFor(home, 'p', file);
  assert.equal(given.text, 'kind: Policy\n');
  assert.equal(await textOf(), undefined, 'not kept yet');
  await given.keep();
  assert.equal(await textOf(), 'kind: Policy\n');
  await (await auditPolicyFor(home, 'p', undefined)).keep();
  assert.equal(await textOf(), 'kind: Policy\n');
  const off = await auditPolicyFor(home, 'p', '');
  assert.equal(off.text, undefined);
  await off.keep();
  assert.equal(await textOf(), undefined);
});

test('a file that is not there is named', async () => {
  await assert.rejects(auditPolicyFor(home, 'p', join(home, 'none.yaml')), { code: 'CONFIG_FILE', message: /none\.yaml/ });
});
