import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { systemClock } from '../lib/clock.ts';
import { checkKubeconfig, isConfigured, kubeconfigFiles, mergeKubeconfig, removeFromKubeconfig } from './kubeconfig.ts';
import type { KubeconfigEntry } from './kubeconfig.ts';

const root = await mkdtemp(join(tmpdir(), 'rockpool-kubeconfig-'));
after(() => rm(root, { recursive: true }));
let home: string;
let count = 0;
beforeEach(async () => {
  home = join(root, String(count++));
  await mkdir(join(home, '.kube'), { recursive: true });
});

const place = (env: Record<string, string> = {}) => ({ env, userHome: home, clock: systemClock() });
const entry = (change: Partial<KubeconfigEntry> = {}): KubeconfigEntry => ({
  name: 'rockpool',
  server: 'https://127.0.0.1:41000',
  caCert: 'CA',
  clientCert: 'CERT',
  clientKey: 'KEY',
  keepContext: false,
  ...change,
});
const file = (): string => join(home, '.kube', 'config');

const OURS = `apiVersion: v1
kind: Config
preferences: {}
clusters:
- cluster:
    certificate-authority-data: Q0E=
    extensions:
    - name: rockpool.dev
      extension:
        provider: rockpool.dev
        profile: rockpool
    server: https://127.0.0.1:41000
  name: rockpool
contexts:
- context:
    cluster: rockpool
    extensions:
    - name: rockpool.dev
      extension:
        provider: rockpool.dev
        profile: rockpool
    user: rockpool
  name: rockpool
users:
- user:
    client-certificate-data: Q0VSVA==
    client-key-data: S0VZ
    extensions:
    - name: rockpool.dev
      extension:
        provider: rockpool.dev
        profile: rockpool
  name: rockpool
current-context: rockpool
`;

const FOREIGN = `# work clusters, do not touch
apiVersion: v1
kind: Config
clusters:
  - name: work # the big one
    cluster:
      server: https://work.example
contexts:
  - { name: work, context: { cluster: work, user: me } }
users:
  - name: me
    user:
      token: abc
current-context: work
`;

test('a missing file is made, for its owner alone', async () => {
  assert.equal(await mergeKubeconfig(entry(), place()), file());
  assert.equal(await readFile(file(), 'utf8'), OURS);
  assert.equal((await stat(file())).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(join(home, '.kube')), ['config'], 'neither lock nor draft is left');
});

test('merging twice changes nothing, a new port changes one line', async () => {
  await mergeKubeconfig(entry(), place());
  await mergeKubeconfig(entry(), place());
  assert.equal(await readFile(file(), 'utf8'), OURS);
  await mergeKubeconfig(entry({ server: 'https://127.0.0.1:42000' }), place());
  assert.equal(await readFile(file(), 'utf8'), OURS.replace('41000', '42000'));
});

test('entries of others keep their text, comments and layout; delete gives the file back but for current-context', async () => {
  await writeFile(file(), FOREIGN, { mode: 0o640 });
  await mergeKubeconfig(entry(), place());
  const merged = await readFile(file(), 'utf8');
  assert.ok(merged.includes('# work clusters, do not touch') && merged.includes('- name: work # the big one'));
  assert.match(merged, /^current-context: rockpool$/m);
  assert.equal((await stat(file())).mode & 0o777, 0o640);
  await removeFromKubeconfig('rockpool', place());
  assert.equal(await readFile(file(), 'utf8'), FOREIGN.replace('current-context: work', 'current-context: ""'));
});

test('--keep-context leaves the choice alone, and delete does too', async () => {
  await writeFile(file(), FOREIGN);
  await mergeKubeconfig(entry({ keepContext: true }), place());
  assert.match(await readFile(file(), 'utf8'), /^current-context: work$/m);
  await removeFromKubeconfig('rockpool', place());
  assert.match(await readFile(file(), 'utf8'), /^current-context: work$/m);
});

test('a namespace that the user chose for the context stays', async () => {
  await mergeKubeconfig(entry(), place());
  await writeFile(file(), (await readFile(file(), 'utf8')).replace('    user: rockpool\n', '    namespace: lesson\n    user: rockpool\n'));
  await mergeKubeconfig(entry(), place());
  assert.match(await readFile(file(), 'utf8'), /namespace: lesson/);
});

const broken = [
  { name: 'text that is no YAML', text: 'clusters: [unclosed', code: 'KUBECONFIG_BROKEN' },
  { name: 'a list instead of a kubeconfig', text: '- a\n- b\n', code: 'KUBECONFIG_BROKEN' },
  { name: 'clusters that are no list', text: 'clusters: {a: b}\n', code: 'KUBECONFIG_BROKEN' },
  {
    name: 'an entry of our name that is not ours',
    text: 'clusters:\n- name: rockpool\n  cluster: {server: https://other}\n',
    code: 'PROFILE_CONFLICT',
  },
];

for (const { name, text, code } of broken) {
  test(`left untouched: ${name}`, async () => {
    await writeFile(file(), text);
    await assert.rejects(checkKubeconfig('rockpool', place()), { code });
    await assert.rejects(mergeKubeconfig(entry(), place()), { code });
    assert.equal(await readFile(file(), 'utf8'), text);
  });
}

test('delete takes nothing that is not ours', async () => {
  const text = 'clusters:\n- name: rockpool\n  cluster: {server: https://other}\n';
  await writeFile(file(), text);
  await removeFromKubeconfig('rockpool', place());
  assert.equal(await readFile(file(), 'utf8'), text);
});

test('$KUBECONFIG with several files: the first that exists gets new entries, the one that has them keeps them', async () => {
  const [a, b, c] = ['a', 'b', 'c'].map((name) => join(home, name)) as [string, string, string];
  await writeFile(b, FOREIGN);
  await writeFile(c, '');
  const at = place({ KUBECONFIG: `${a}:${b}:${c}` });
  assert.deepEqual(kubeconfigFiles(at), [a, b, c]);
  assert.equal(await mergeKubeconfig(entry(), at), b);
  await writeFile(a, 'apiVersion: v1\nkind: Config\n');
  assert.equal(await mergeKubeconfig(entry({ server: 'https://127.0.0.1:43000' }), at), b);
  assert.ok(await isConfigured('rockpool', 'https://127.0.0.1:43000', at));
  assert.ok(!(await isConfigured('rockpool', 'https://127.0.0.1:1', at)));
  await removeFromKubeconfig('rockpool', at);
  assert.ok(!(await isConfigured('rockpool', 'https://127.0.0.1:43000', at)));
});

test('a symbolic link stays one', async () => {
  await writeFile(join(home, 'real'), '');
  await symlink(join(home, 'real'), file());
  await mergeKubeconfig(entry(), place());
  assert.equal(await readFile(join(home, 'real'), 'utf8'), OURS);
});

test('profiles that start at once do not lose each other', async () => {
  const names = Array.from({ length: 8 }, (_, i) => `p${i}`);
  await Promise.all(names.map((name) => mergeKubeconfig(entry({ name }), place())));
  for (const name of names) assert.ok(await isConfigured(name, 'https://127.0.0.1:41000', place()), name);
});
