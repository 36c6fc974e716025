import assert from 'node:assert/strict';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Payload, writePayload } from './atomic-writer.ts';
import { prepareHostPath } from './host-path.ts';
import { applyFsGroup } from './ownership.ts';
import { resolveSubPath } from './sub-path.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'rockpool-volumes-'));
});
after(() => rm(folder, { recursive: true }));

const payload = (files: Record<string, string>, mode = 0o644): Payload =>
  new Map(Object.entries(files).map(([name, text]) => [name, { data: Buffer.from(text), mode }]));

describe('writePayload', () => {
  test('writes through ..data, replaces all at once, removes what is gone', async () => {
    const volume = path.join(folder, 'atomic');
    assert.equal(await writePayload(volume, payload({ a: '1', 'deep/b': '2' })), true);
    const first = await readlink(path.join(volume, '..data'));
    assert.equal(await readlink(path.join(volume, 'a')), '..data/a');
    assert.equal(await readFile(path.join(volume, 'deep/b'), 'utf8'), '2');
    assert.equal(await writePayload(volume, payload({ a: '1', 'deep/b': '2' })), false);
    assert.equal(await readlink(path.join(volume, '..data')), first);
    assert.equal(await writePayload(volume, payload({ a: 'new', c: '3' })), true);
    assert.deepEqual((await readdir(volume)).filter((name) => !name.startsWith('..')).toSorted(), ['a', 'c']);
    assert.equal((await readdir(volume)).filter((name) => name.startsWith('..20') || name.startsWith('..19')).length, 1);
    assert.equal(await readFile(path.join(volume, 'a'), 'utf8'), 'new');
  });

  test('keeps modes, and lets a group read what the owner may', { skip: process.getuid?.() === 0 ? false : 'needs root' }, async () => {
    const volume = path.join(folder, 'modes');
    await writePayload(volume, payload({ a: '1' }, 0o400), { gid: 2000 });
    const { mode, gid } = await stat(path.join(volume, 'a'));
    assert.deepEqual([mode & 0o777, gid], [0o440, 2000]);
  });

  for (const name of ['../out', '/abs', 'a/../../b', '..hidden']) {
    test(`refuses ${name}`, async () => {
      await assert.rejects(writePayload(path.join(folder, 'bad'), payload({ [name]: '' })), /invalid path/);
    });
  }
});

describe('resolveSubPath', () => {
  test('makes folders that are missing and follows links inside', async () => {
    const volume = path.join(folder, 'sub');
    await mkdir(path.join(volume, 'real'), { recursive: true });
    await symlink('real', path.join(volume, 'link'));
    assert.equal(await resolveSubPath(volume, 'link/new', { create: true }), path.join(volume, 'real/new'));
    await assert.rejects(resolveSubPath(volume, 'absent', { create: false }), /does not exist/);
  });

  test('does not leave the volume', async () => {
    const volume = path.join(folder, 'escape');
    await mkdir(volume);
    await symlink('/etc', path.join(volume, 'etc'));
    await assert.rejects(resolveSubPath(volume, 'etc/x', { create: true }), /leads out of its volume/);
    await assert.rejects(resolveSubPath(volume, '../escape2', { create: true }), /must not contain/);
  });
});

describe('prepareHostPath', () => {
  test('makes what the type says and checks the rest', async () => {
    const made = path.join(folder, 'made/deep');
    await prepareHostPath(made, 'DirectoryOrCreate');
    assert.ok((await stat(made)).isDirectory());
    await prepareHostPath(path.join(made, 'file'), 'FileOrCreate');
    await prepareHostPath(path.join(made, 'file'), 'File');
    await prepareHostPath(path.join(made, 'absent'), '');
    await prepareHostPath('/dev/null', 'CharDevice');
    await assert.rejects(prepareHostPath(path.join(made, 'file'), 'Directory'), /hostPath type check failed: .* is not a directory/);
    await assert.rejects(prepareHostPath(path.join(made, 'absent'), 'File'), /is not a file/);
    await assert.rejects(prepareHostPath(path.join(made, 'absent'), 'Socket'), /is not a socket file/);
  });
});

test('applyFsGroup hands a tree to the group, links excepted', { skip: process.getuid?.() === 0 ? false : 'needs root' }, async () => {
  const tree = path.join(folder, 'group');
  await mkdir(path.join(tree, 'dir'), { recursive: true });
  await writeFile(path.join(tree, 'dir/file'), '');
  await chmod(path.join(tree, 'dir/file'), 0o600);
  await symlink('/etc/hostname', path.join(tree, 'link'));
  await applyFsGroup(tree, 3000, 'Always');
  assert.deepEqual([(await stat(path.join(tree, 'dir'))).gid, (await stat(path.join(tree, 'dir'))).mode & 0o2070], [3000, 0o2070]);
  assert.equal((await stat(path.join(tree, 'dir/file'))).mode & 0o777, 0o660);
  assert.notEqual((await lstat('/etc/hostname')).gid, 3000);
});
