import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { systemClock } from '../lib/clock.ts';
import { systemRng } from '../lib/random.ts';
import type { ClusterContext } from './context.ts';
import { profilePaths } from './paths.ts';
import { listProfileNames } from './profile.ts';
import { isReason } from './reasons.ts';
import { startCluster } from './start.ts';
import type { StartRequest } from './start-request.ts';
import { clusterStatus, statusExitCode } from './status.ts';
import { deleteAll, deleteCluster, stopCluster } from './stop.ts';
import { changeAddons, listAddons } from './switch-addons.ts';

/** A node of one file that serves as much of the API as a start asks for. */
const NODE = `
import { createServer } from 'node:https';
import { readFileSync, existsSync } from 'node:fs';
const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
if (existsSync(config.dataDir + '/fail')) { console.error('as told'); process.exit(1); }
const objects = {
  nodes: { kind: 'Node', metadata: { name: config.nodeName, resourceVersion: '1' }, status: { conditions: [{ type: 'Ready', status: existsSync(config.dataDir + '/unready') ? 'False' : 'True' }] } },
  serviceaccounts: { kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'default', resourceVersion: '1' } },
};
const pem = (field) => readFileSync(config.pki[field]);
createServer({ cert: pem('apiserverCert'), key: pem('apiserverKey'), ca: pem('caCert'), requestCert: true, rejectUnauthorized: true }, (request, response) => {
  response.setHeader('content-type', 'application/json');
  const object = Object.entries(objects).find(([name]) => request.url.includes(name))?.[1];
  if (!object) return response.end('{}');
  if (request.url.includes('watch=')) return response.flushHeaders();
  response.end(JSON.stringify({ kind: object.kind + 'List', apiVersion: 'v1', metadata: { resourceVersion: '1' }, items: [object] }));
}).listen(config.apiserver.port, config.apiserver.bindAddress, () => console.log(JSON.stringify({ ready: true, phases: { up: 1 }, apiserverPort: config.apiserver.port })));
process.on('SIGTERM', () => process.exit(0));
`;

const root = await mkdtemp(join(tmpdir(), 'rockpool-start-'));
let context: ClusterContext;
let told: string[];
before(async () => {
  await mkdir(join(root, 'package', 'dist'), { recursive: true });
  await mkdir(join(root, 'package', 'addons', 'dns'), { recursive: true });
  await mkdir(join(root, 'package', 'addons', 'extra'), { recursive: true });
  await writeFile(join(root, 'package', 'dist', 'node.mjs'), NODE);
  await writeFile(join(root, 'package', 'addons', 'dns', 'addon.yaml'), 'name: dns\ndescription: names\ndefault: true\n');
  await writeFile(join(root, 'package', 'addons', 'extra', 'addon.yaml'), 'name: extra\ndescription: more\n');
});
let count = 0;
const contexts: ClusterContext[] = [];
beforeEach(() => {
  const home = join(root, `home-${count++}`);
  told = [];
  const note = (text: string): void => void told.push(text);
  context = {
    home: join(home, '.rockpool'),
    userHome: home,
    packageRoot: join(root, 'package'),
    version: '0',
    env: {},
    clock: systemClock(),
    rng: systemRng(),
    progress: { step: (_, message) => note(message), detail: note, info: note, warn: note },
    signal: new AbortController().signal,
  };
  contexts.push(context);
});
after(async () => {
  // A test that failed half-way must not leave a node behind.
  for (const left of contexts)
    await deleteAll(left, { purge: false }).catch((error: unknown) => assert.ok(isReason(error, 'PROFILE_CORRUPT')));
  await rm(root, { recursive: true });
});

const request = (change: Partial<StartRequest> = {}): StartRequest => ({
  name: 'lesson',
  driver: 'sim',
  waitTimeoutMs: 10_000,
  keepContext: false,
  traceStartup: false,
  dryRun: false,
  ...change,
});
const kubeconfig = (): Promise<string> => readFile(join(context.userHome, '.kube', 'config'), 'utf8');

test('start, status, stop, start again, delete: what is kept and what is gone', async () => {
  const first = await startCluster(request(), context);
  assert.equal(first.wasRunning, false);
  assert.match(await kubeconfig(), /current-context: lesson/);
  assert.equal(statusExitCode(await clusterStatus('lesson', context)), 0);
  assert.equal((await startCluster(request(), context)).wasRunning, true);

  assert.equal(await stopCluster('lesson', context), true);
  const stopped = await clusterStatus('lesson', context);
  assert.deepEqual([stopped.host, stopped.apiserver, stopped.kubeconfig, statusExitCode(stopped)], ['Stopped', 'Stopped', 'Configured', 3]);
  assert.equal(await stopCluster('lesson', context), false);

  const certificate = await readFile(join(profilePaths(context.home, 'lesson').pki, 'apiserver.crt'), 'utf8');
  const second = await startCluster(request({ driver: undefined }), context);
  assert.equal(second.server, first.server, 'the same port');
  assert.equal(
    await readFile(join(profilePaths(context.home, 'lesson').pki, 'apiserver.crt'), 'utf8'),
    certificate,
    'the same certificates',
  );

  assert.equal(await deleteCluster('lesson', context, { purge: false }), true);
  assert.equal(await deleteCluster('lesson', context, { purge: false }), false);
  assert.deepEqual(await readdir(join(context.home, 'profiles')), []);
  assert.doesNotMatch(await kubeconfig(), /lesson/);
});

test('two profiles run side by side', async () => {
  const [one, two] = await Promise.all([startCluster(request({ name: 'one' }), context), startCluster(request({ name: 'two' }), context)]);
  assert.notEqual(one.server, two.server);
  for (const name of ['one', 'two']) assert.equal((await clusterStatus(name, context)).apiserver, 'Running');
  assert.deepEqual(await deleteAll(context, { purge: false }), ['one', 'two']);
});

test('a first start that fails leaves nothing but its log', async () => {
  const { data } = profilePaths(context.home, 'lesson');
  await mkdir(data, { recursive: true });
  await writeFile(join(data, 'fail'), '');
  await assert.rejects(startCluster(request(), context), { code: 'NODE_START' });
  assert.deepEqual(await readdir(join(context.home, 'profiles')), []);
  assert.equal(await readFile(join(context.home, 'logs', 'lesson.log'), 'utf8'), 'as told\n');
  assert.ok(
    told.some((line) => line.includes(join('logs', 'lesson.log'))),
    'and says where it is',
  );
  await assert.rejects(kubeconfig(), { code: 'ENOENT' });
});

test('a later start that fails leaves a stopped cluster that can be started', async () => {
  const { data } = profilePaths(context.home, 'lesson');
  await startCluster(request(), context);
  await stopCluster('lesson', context);
  await writeFile(join(data, 'unready'), '');
  await assert.rejects(startCluster(request({ waitTimeoutMs: 1_500 }), context), {
    code: 'APISERVER_TIMEOUT',
    message: /node lesson to be Ready/,
  });
  assert.equal((await clusterStatus('lesson', context)).host, 'Stopped');
  await rm(join(data, 'unready'));
  await startCluster(request(), context);
  await deleteCluster('lesson', context, { purge: false });
});

test('an interrupted start takes back what it made', async () => {
  const interrupted = new AbortController();
  const { data } = profilePaths(context.home, 'lesson');
  await mkdir(data, { recursive: true });
  await writeFile(join(data, 'unready'), '');
  const progress = { ...context.progress, step: (step: string) => void (step === 'ready' && interrupted.abort(new Error('Ctrl-C'))) };
  await assert.rejects(startCluster(request(), { ...context, progress, signal: interrupted.signal }), { message: 'Ctrl-C' });
  assert.deepEqual(await readdir(join(context.home, 'profiles')), []);
});

const refused: { name: string; change: Partial<StartRequest>; code: string }[] = [
  { name: 'a version that is not served', change: { kubernetesVersion: 'v1.30' }, code: 'KUBERNETES_VERSION' },
  { name: 'a driver that there is not', change: { driver: 'vm' }, code: 'DRIVER_UNKNOWN' },
  { name: 'an addon that there is not', change: { addons: ['nope'] }, code: 'ADDON_UNKNOWN' },
  { name: 'a bad name', change: { name: '-' }, code: 'PROFILE_NAME' },
  { name: 'what the driver cannot do', change: { cpus: 2 }, code: 'DRIVER_UNSUPPORTED' },
];
for (const { name, change, code } of refused) {
  test(`refused before anything is made: ${name}`, async () => {
    await assert.rejects(startCluster(request(change), context), { code });
    assert.deepEqual(await listProfileNames(context.home), []);
    await assert.rejects(kubeconfig(), { code: 'ENOENT' });
  });
}

test('a broken kubeconfig stops a start before anything is made', async () => {
  await mkdir(join(context.userHome, '.kube'), { recursive: true });
  await writeFile(join(context.userHome, '.kube', 'config'), 'clusters: [');
  await assert.rejects(startCluster(request(), context), { code: 'KUBECONFIG_BROKEN' });
  assert.equal(await kubeconfig(), 'clusters: [');
  assert.deepEqual(await listProfileNames(context.home), []);
});

test('a dry run tells and does nothing', async () => {
  const { profile } = await startCluster(request({ dryRun: true, addons: ['extra'] }), context);
  assert.deepEqual(profile.addons, ['dns', 'extra']);
  await assert.rejects(readdir(context.home), { code: 'ENOENT' });
});

test('a corrupt profile is told, kept, and removed only by --purge', async () => {
  const path = profilePaths(context.home, 'lesson').profile;
  await mkdir(profilePaths(context.home, 'lesson').dir, { recursive: true });
  await writeFile(path, '{"schema": 1');
  await assert.rejects(startCluster(request(), context), { code: 'PROFILE_CORRUPT' });
  await assert.rejects(deleteCluster('lesson', context, { purge: false }), { code: 'PROFILE_CORRUPT' });
  assert.equal(await readFile(path, 'utf8'), '{"schema": 1');
});

test('addons of a stopped cluster take effect at its next start', async () => {
  await startCluster(request(), context);
  await stopCluster('lesson', context);
  const { addons } = profilePaths(context.home, 'lesson');
  assert.deepEqual(await changeAddons('lesson', { names: ['extra'], enable: true, timeoutMs: 1000 }, context), [
    'The cluster is stopped; this takes effect when it starts.',
  ]);
  await changeAddons('lesson', { names: ['dns'], enable: false, timeoutMs: 1000 }, context);
  assert.deepEqual(
    (await listAddons('lesson', context)).map(({ name, enabled }) => [name, enabled]),
    [
      ['dns', false],
      ['extra', true],
    ],
  );
  await startCluster(request(), context);
  assert.deepEqual(await readdir(addons), ['extra']);
  await deleteCluster('lesson', context, { purge: false });
});
