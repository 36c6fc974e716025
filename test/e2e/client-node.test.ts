/** A tour with @kubernetes/client-node: typed calls, patches of every type, informers, watch, logs, exec and port-forward over WebSocket. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import {
  ApiException,
  AppsV1Api,
  CoreV1Api,
  Exec,
  KubeConfig,
  KubernetesObjectApi,
  Log,
  makeInformer,
  PatchStrategy,
  PortForward,
  setHeaderOptions,
  type V1ConfigMap,
  type V1Pod,
  type V1Status,
  Watch,
} from '@kubernetes/client-node';
import { type Cluster, startCluster } from '../fixtures/cluster.ts';
import { eventually } from '../fixtures/eventually.ts';
import { hasEngine, needsEngine } from '../fixtures/machine.ts';
import { tutorialImages } from '../fixtures/tutorial-images.ts';

const namespace = 'node-tour';
const engine = await hasEngine();

function tour(driver: 'sim' | 'docker'): void {
  let cluster: Cluster;
  let kubeConfig: KubeConfig;
  let core: CoreV1Api;

  before(async () => {
    cluster = await startCluster({ driver, profile: `client-node-${driver}`, kubectl: 'kubectl' });
    if (driver === 'docker') for (const archive of await tutorialImages()) await cluster.rockpool(['image', 'load', archive]);
    kubeConfig = new KubeConfig();
    kubeConfig.loadFromFile(cluster.kubeconfig);
    core = kubeConfig.makeApiClient(CoreV1Api);
    await core.createNamespace({ body: { metadata: { name: namespace } } });
  });
  after(() => cluster?.delete());

  it('typed calls, and errors as the library shows them', async () => {
    const body: V1ConfigMap = { metadata: { name: 'settings', labels: { of: 'node' } }, data: { a: '1' } };
    const made = await core.createNamespacedConfigMap({ namespace, body });
    assert.ok(made.metadata?.creationTimestamp instanceof Date);
    const replaced = await core.replaceNamespacedConfigMap({ name: 'settings', namespace, body: { ...made, data: { a: '2' } } });
    assert.deepEqual(replaced.data, { a: '2' });
    await assert.rejects(core.replaceNamespacedConfigMap({ name: 'settings', namespace, body: made }), (error) => {
      assert.ok(error instanceof ApiException);
      return error.code === 409;
    });
    await assert.rejects(core.readNamespacedConfigMap({ name: 'nosuch', namespace }), { code: 404 });
    const { items } = await core.listNamespacedConfigMap({ namespace, labelSelector: 'of=node' });
    assert.deepEqual(
      items.map(({ metadata }) => metadata?.name),
      ['settings'],
    );
  });

  it('patches of every type', async () => {
    const patched = async (type: PatchStrategy, body: object, more: object = {}): Promise<Record<string, string>> =>
      (await core.patchNamespacedConfigMap({ name: 'settings', namespace, body, ...more }, setHeaderOptions('Content-Type', type))).data!;
    assert.deepEqual(await patched(PatchStrategy.JsonPatch, [{ op: 'add', path: '/data/b', value: '1' }]), { a: '2', b: '1' });
    assert.deepEqual(await patched(PatchStrategy.MergePatch, { data: { a: null } }), { b: '1' });
    assert.deepEqual(await patched(PatchStrategy.StrategicMergePatch, { data: { c: '3' } }), { b: '1', c: '3' });
    const applied = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { b: '9' } };
    const manager = { fieldManager: 'node-tour' };
    await assert.rejects(patched(PatchStrategy.ServerSideApply, applied, manager), { code: 409 });
    assert.deepEqual(await patched(PatchStrategy.ServerSideApply, applied, { ...manager, force: true }), { b: '9', c: '3' });
  });

  it('any object by its kind', async () => {
    const objects = KubernetesObjectApi.makeApiClient(kubeConfig);
    const spec = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'any', namespace } };
    await objects.create(spec);
    assert.equal((await objects.read({ ...spec, metadata: { name: 'any', namespace } })).kind, 'Secret');
    assert.equal((await objects.delete({ ...spec, metadata: { name: 'any', namespace } })).status, 'Success');
  });

  it('an informer sees what comes, changes and goes', { timeout: 60_000 }, async () => {
    const seen: string[] = [];
    const informer = makeInformer(kubeConfig, `/api/v1/namespaces/${namespace}/configmaps`, () =>
      core.listNamespacedConfigMap({ namespace }),
    );
    for (const verb of ['add', 'update', 'delete'] as const)
      informer.on(verb, ({ metadata }) => void (metadata?.name === 'watched' && seen.push(verb)));
    await informer.start();
    try {
      assert.ok(informer.get('settings', namespace));
      await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'watched' } } });
      await eventually(() => assert.deepEqual(seen, ['add']));
      await core.patchNamespacedConfigMap(
        { name: 'watched', namespace, body: { data: { x: 'y' } } },
        setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
      );
      await eventually(() => assert.deepEqual(seen, ['add', 'update']));
      await core.deleteNamespacedConfigMap({ name: 'watched', namespace });
      await eventually(() => assert.deepEqual(seen, ['add', 'update', 'delete']));
    } finally {
      await informer.stop();
    }
  });

  it('a watch ends when its time is over', { timeout: 60_000 }, async () => {
    const types: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const query = { timeoutSeconds: 1, fieldSelector: 'metadata.name=settings' };
      const watching = new Watch(kubeConfig).watch(
        `/api/v1/namespaces/${namespace}/configmaps`,
        query,
        (type) => types.push(type),
        (error: unknown) => (error ? reject(error) : resolve()),
      );
      watching.catch(reject);
    });
    assert.deepEqual(types, ['ADDED']);
  });

  it('a pod: readiness, log, exec, port-forward', { timeout: 180_000 }, async () => {
    const pod: V1Pod = {
      metadata: { name: 'web', labels: { app: 'web' } },
      spec: { containers: [{ name: 'web', image: 'nginx', imagePullPolicy: 'IfNotPresent' }], terminationGracePeriodSeconds: 0 },
    };
    await core.createNamespacedPod({ namespace, body: pod });
    await eventually(
      async () => {
        const { status } = await core.readNamespacedPodStatus({ name: 'web', namespace });
        assert.ok(status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True'));
      },
      { within: 120_000 },
    );
    assert.match(await page(kubeConfig), /^HTTP\/1\.1 200 OK\r\n[^]*Welcome to nginx!/);
    await eventually(async () => assert.match(await logOf(kubeConfig), /"GET \/ HTTP\/1\.1" 200/));
    const { out, err, status } = await run(kubeConfig, ['sh', '-c', 'cat; echo problem >&2; exit 3'], 'through a pipe');
    assert.deepEqual([out, err], ['through a pipe', 'problem\n']);
    assert.deepEqual([status.status, status.details?.causes?.[0]?.message], ['Failure', '3']);
  });

  it('a deployment is scaled', { timeout: 120_000 }, async () => {
    const apps = kubeConfig.makeApiClient(AppsV1Api);
    const labels = { app: 'many' };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'web', image: 'nginx', imagePullPolicy: 'IfNotPresent' }] } };
    const body = { metadata: { name: 'many' }, spec: { replicas: 1, selector: { matchLabels: labels }, template } };
    await apps.createNamespacedDeployment({ namespace, body });
    const scale = await apps.readNamespacedDeploymentScale({ name: 'many', namespace });
    // Without its revision: the controller writes the deployment's status meanwhile.
    const metadata = { name: 'many', namespace, uid: scale.metadata!.uid! };
    await apps.replaceNamespacedDeploymentScale({ name: 'many', namespace, body: { metadata, spec: { replicas: 2 } } });
    await eventually(
      async () => assert.equal((await apps.readNamespacedDeploymentStatus({ name: 'many', namespace })).status?.readyReplicas, 2),
      { within: 90_000 },
    );
  });
}

async function run(kubeConfig: KubeConfig, command: string[], input: string): Promise<{ out: string; err: string; status: V1Status }> {
  const [out, err, stdin] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const texts = [textOf(out), textOf(err)];
  const { promise, resolve } = Promise.withResolvers<V1Status>();
  const socket = await new Exec(kubeConfig).exec(namespace, 'web', 'web', command, out, err, stdin, false, resolve);
  stdin.end(input);
  const status = await promise;
  socket.close();
  out.end();
  err.end();
  return { out: await texts[0]!, err: await texts[1]!, status };
}

async function page(kubeConfig: KubeConfig): Promise<string> {
  const [output, input] = [new PassThrough(), new PassThrough()];
  const socket = await new PortForward(kubeConfig, true).portForward(namespace, 'web', [80], output, null, input);
  input.write('GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n');
  let text = '';
  await new Promise<void>((resolve) => {
    output.on('data', (chunk: Buffer) => {
      text += String(chunk);
      if (text.includes('</html>')) resolve();
    });
  });
  if (typeof socket !== 'function') socket.close();
  return text;
}

async function logOf(kubeConfig: KubeConfig): Promise<string> {
  const output = new PassThrough();
  const text = textOf(output);
  await new Log(kubeConfig).log(namespace, 'web', 'web', output);
  return text;
}

async function textOf(stream: PassThrough): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

describe('@kubernetes/client-node on sim', () => tour('sim'));

describe('@kubernetes/client-node on docker', () => {
  it('has a container engine', async (context) => void (await needsEngine(context)));
  if (engine) tour('docker');
});
