import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';
import { KubeconfigError, kubeconfigPaths, readKubeconfig } from './kubeconfig.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
});
after(() => rm(folder, { recursive: true }));

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const MAIN = `
apiVersion: v1
kind: Config
current-context: one
clusters:
- name: c1
  cluster: { server: 'https://127.0.0.1:6443', certificate-authority-data: ${base64('CA')} }
contexts:
- name: one
  context: { cluster: c1, user: u1, namespace: web }
- name: two
  context: { cluster: c2, user: u2 }
- name: plugin
  context: { cluster: c1, user: exec }
- name: dangling
  context: { cluster: nowhere, user: u1 }
users:
- name: u1
  user: { client-certificate-data: ${base64('CERT')}, client-key-data: ${base64('KEY')} }
- name: exec
  user: { exec: { command: aws } }
`;

test('inline data of the current context', async () => {
  const found = await readKubeconfig({ paths: [await file('main', MAIN)] });
  assert.deepEqual(found, {
    context: 'one',
    namespace: 'web',
    connection: { server: 'https://127.0.0.1:6443', ca: Buffer.from('CA'), cert: Buffer.from('CERT'), key: Buffer.from('KEY') },
  });
});

test('several files merge, the first to name an entry wins, relative paths stand beside their file, missing files are passed over', async () => {
  await file('ca.pem', 'CA2');
  const second = await file(
    'second',
    `
current-context: never
clusters:
- name: c1
  cluster: { server: 'https://other' }
- name: c2
  cluster: { server: 'https://two:1', certificate-authority: ca.pem, tls-server-name: api, insecure-skip-tls-verify: true }
users:
- name: u2
  user: { tokenFile: token, token: literal }
`,
  );
  const paths = [join(folder, 'missing'), await file('main', MAIN), second];
  assert.equal((await readKubeconfig({ paths })).connection.server, 'https://127.0.0.1:6443');
  const { connection, namespace } = await readKubeconfig({ paths, context: 'two' });
  assert.deepEqual(connection, {
    server: 'https://two:1',
    ca: Buffer.from('CA2'),
    serverName: 'api',
    insecureSkipTlsVerify: true,
    tokenFile: join(folder, 'token'),
  });
  assert.equal(namespace, 'default');
});

const faults = [
  {
    name: 'credentials from a program',
    content: MAIN,
    context: 'plugin',
    message: /user "exec" gets its credentials from a program \(exec\)/,
  },
  { name: 'an unknown context', content: MAIN, context: 'none', message: /no context "none"/ },
  { name: 'a context without its cluster', content: MAIN, context: 'dangling', message: /no cluster "nowhere"/ },
  { name: 'no current context', content: 'clusters: []', message: /no current-context/ },
  { name: 'broken YAML', content: 'clusters: [', message: /not valid YAML/ },
  { name: 'not a mapping', content: '- a', message: /not a kubeconfig/ },
  { name: 'clusters that are no list', content: 'clusters: x', message: /clusters in .* is not a list/ },
];

for (const { name, content, context, message } of faults) {
  test(`${name} is told`, async () => {
    const paths = [await file('faulty', content)];
    await assert.rejects(
      readKubeconfig({ paths, ...(context ? { context } : {}) }),
      (error) => error instanceof KubeconfigError && message.test(error.message),
    );
  });
}

test('where kubectl looks', () => {
  assert.deepEqual(kubeconfigPaths(undefined, '/home/ann'), [join('/home/ann', '.kube', 'config')]);
  assert.deepEqual(kubeconfigPaths(['/a', '', '/b'].join(delimiter), '/home/ann'), ['/a', '/b']);
});
