import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { addonFiles, loadAddons, requireAddons } from './addons.ts';

const root = await mkdtemp(join(tmpdir(), 'rockpool-addons-'));
after(() => rm(root, { recursive: true }));
let count = 0;

async function packageWith(addons: Record<string, Record<string, string>>): Promise<string> {
  const dir = join(root, String(count++));
  for (const [name, files] of Object.entries(addons)) {
    await mkdir(join(dir, 'addons', name), { recursive: true });
    for (const [file, text] of Object.entries(files)) await writeFile(join(dir, 'addons', name, file), text);
  }
  return dir;
}

test('addons are folders', async () => {
  const addons = await loadAddons(
    await packageWith({
      dns: {
        'addon.yaml': 'name: dns\ndescription: names\ndefault: true\n',
        'service.yaml': 'kind: Service',
        'README.md': 'not for the node',
      },
      web: { 'addon.yaml': 'name: web\ndescription: a page\nimages: [a, b]\nnotes: [open it]\n' },
    }),
  );
  assert.deepEqual([...addons.keys()], ['dns', 'web']);
  assert.deepEqual([...addons.get('dns')!.files.keys()], ['addon.yaml', 'service.yaml']);
  assert.deepEqual(
    { ...addons.get('web')!, files: 0 },
    { name: 'web', description: 'a page', default: false, images: ['a', 'b'], notes: ['open it'], files: 0 },
  );
  const { files, absent } = addonFiles(addons, ['dns', 'one of a former version']);
  assert.deepEqual([...files.keys()], ['dns/addon.yaml', 'dns/service.yaml']);
  assert.deepEqual(absent, ['web']);
  assert.throws(() => requireAddons(addons, ['dns', 'dsn']), { code: 'ADDON_UNKNOWN', message: /"dsn"; there are dns, web/ });
});

test('an installation without addons has none', async () => assert.equal((await loadAddons(join(root, 'nothing'))).size, 0));

for (const { name, files, says } of [
  { name: 'no addon.yaml', files: { 'x.yaml': '' }, says: /addon\.yaml: the file is missing/ },
  { name: 'another name', files: { 'addon.yaml': 'name: other\ndescription: x' }, says: /`name` must be broken/ },
  { name: 'no description', files: { 'addon.yaml': 'name: broken' }, says: /`description` must be a text/ },
  { name: 'images that are no list', files: { 'addon.yaml': 'name: broken\ndescription: x\nimages: a' }, says: /`images` must be a list/ },
  { name: 'no YAML', files: { 'addon.yaml': 'name: [' }, says: /addon\.yaml: / },
] as { name: string; files: Record<string, string>; says: RegExp }[]) {
  test(`a broken addon: ${name}`, async () => {
    const dir = await packageWith({ broken: files });
    await assert.rejects(loadAddons(dir), { code: 'ADDON_BROKEN', exitCode: 18, message: says });
  });
}

test('the addons of this installation are well formed', async () => {
  const addons = await loadAddons(join(import.meta.dirname, '..', '..'));
  for (const addon of addons.values()) assert.ok(addon.files.size > 0, addon.name);
});
