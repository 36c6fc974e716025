/** Tutorials on volumes, by kubectl alone: the life of a PersistentVolume in all its phases, and claims that outlive the pods of a StatefulSet. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cluster, startCluster } from '../../fixtures/cluster.ts';
import { eventually } from '../../fixtures/eventually.ts';
import { hasEngine, kubectls, needsEngine } from '../../fixtures/machine.ts';
import { tutorialImages } from '../../fixtures/tutorial-images.ts';

const [kubectl] = await kubectls();
const engine = await hasEngine();
const WAIT = '--timeout=60s';

/** In a folder of the node; on sim that is the laptop. */
function volume(name: string, { policy, folder }: { policy: string; folder: string }): string {
  return `
apiVersion: v1
kind: PersistentVolume
metadata: {name: ${name}}
spec:
  storageClassName: ${name}
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: ${policy}
  hostPath: {path: ${folder}/${name}, type: DirectoryOrCreate}
`;
}

function claim(name: string, storageClass: string): string {
  return `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: ${name}}
spec:
  storageClassName: ${storageClass}
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 500Mi}}
`;
}

function pod(name: string, claimName: string): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{name: data, persistentVolumeClaim: {claimName: ${claimName}}}]
  containers:
  - name: main
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sh, -c, 'trap "exit 0" TERM; while true; do sleep 1; done']
    volumeMounts: [{name: data, mountPath: /data}]
`;
}

const STATEFUL_SET = `
apiVersion: v1
kind: Service
metadata: {name: db}
spec:
  clusterIP: None
  selector: {app: db}
  ports: [{port: 80}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: busybox
        imagePullPolicy: IfNotPresent
        command: [sh, -c, 'trap "exit 0" TERM; while true; do sleep 1; done']
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      resources: {requests: {storage: 100Mi}}
`;

function stories(cluster: () => Cluster): void {
  const folder = (): string => (cluster().driver === 'sim' ? `${cluster().home}/volumes-by-hand` : '/mnt');
  const run = async (...args: string[]): Promise<string> => (await cluster().kubectl(args)).stdout;
  const apply = (manifest: string): Promise<unknown> => cluster().kubectl(['apply', '-f', '-'], { input: manifest });
  const phase = (name: string, wanted: string): Promise<string> =>
    run('wait', `pv/${name}`, `--for=jsonpath={.status.phase}=${wanted}`, WAIT);
  const bound = (name: string): Promise<string> => run('wait', `pvc/${name}`, '--for=jsonpath={.status.phase}=Bound', WAIT);
  const ready = (name: string): Promise<string> => run('wait', `pod/${name}`, '--for=condition=Ready', WAIT);
  const sh = (name: string, script: string): Promise<string> => run('exec', name, '--', 'sh', '-c', script);

  /** Binds a claim to the volume of its class, and leaves a file on it. */
  async function useVolume(name: string): Promise<void> {
    await apply(claim(name, name));
    await phase(name, 'Bound');
    await bound(name);
    await apply(pod(name, name));
    await ready(name);
    await sh(name, 'echo kept > /data/file');
  }

  async function letGo(name: string): Promise<void> {
    await run('delete', `pod/${name}`);
    await run('delete', `pvc/${name}`);
  }

  it('Retain: Pending, Available, Bound, Released; by hand Available again, with its data', async () => {
    const { stdout } = await cluster().kubectl(['create', '-f', '-', '-o', 'jsonpath={.status.phase}'], {
      input: volume('kept', { policy: 'Retain', folder: folder() }),
    });
    assert.equal(stdout, 'Pending');
    await phase('kept', 'Available');
    await useVolume('kept');
    assert.match(await run('get', 'pv/kept'), /kept +1Gi +RWO +Retain +Bound +default\/kept +kept/);
    // a claim in use is only marked; it goes with its pod
    await run('delete', 'pvc/kept', '--wait=false');
    assert.match(await run('describe', 'pvc/kept'), /Status: +Terminating \(lasts/);
    await run('delete', 'pod/kept');
    await run('wait', 'pvc/kept', '--for=delete', WAIT);
    await phase('kept', 'Released');
    await apply(claim('again', 'kept'));
    assert.equal(await run('get', 'pvc/again', '-o', 'jsonpath={.status.phase}'), 'Pending');
    await run('patch', 'pv/kept', '--type=json', '-p', '[{"op": "remove", "path": "/spec/claimRef"}]');
    await bound('again');
    await apply(pod('again', 'again'));
    await ready('again');
    assert.equal(await sh('again', 'cat /data/file'), 'kept');
    await letGo('again');
    await run('delete', 'pv/kept');
  });

  it('Recycle: scrubbed by a pod, and Available to the next claim', async () => {
    await apply(volume('scrap', { policy: 'Recycle', folder: folder() }));
    await phase('scrap', 'Available');
    await useVolume('scrap');
    await letGo('scrap');
    await phase('scrap', 'Available');
    await eventually(async () => assert.match(await run('describe', 'pv/scrap'), /VolumeRecycled .*Volume recycled/));
    await useVolume('scrap');
    assert.equal(await sh('scrap', 'ls -A /data'), 'file');
    await letGo('scrap');
  });

  it('Delete of what nobody can delete: Failed, and describe says why', async () => {
    await apply(volume('stuck', { policy: 'Delete', folder: '/mnt' }));
    await phase('stuck', 'Available');
    await apply(claim('stuck', 'stuck'));
    await bound('stuck');
    await run('delete', 'pvc/stuck');
    await phase('stuck', 'Failed');
    await eventually(async () =>
      assert.match(
        await run('describe', 'pv/stuck'),
        /VolumeFailedDelete .*host_path deleter only supports \/tmp\/\.\+ but received provided \/mnt\/stuck/,
      ),
    );
    await run('delete', 'pv/stuck');
  });

  it('the default class: a volume that comes, grows and goes with its claim', async () => {
    await apply(claim('made', 'standard'));
    await bound('made');
    const name = await run('get', 'pvc/made', '-o', 'jsonpath={.spec.volumeName}');
    assert.match(name, /^pvc-[0-9a-f-]{36}$/);
    await run('patch', 'pvc/made', '-p', '{"spec": {"resources": {"requests": {"storage": "2Gi"}}}}');
    await run('wait', 'pvc/made', '--for=jsonpath={.status.capacity.storage}=2Gi', WAIT);
    assert.match(await run('get', `pv/${name}`), new RegExp(`${name} +2Gi +RWO +Delete +Bound +default/made +standard`));
    await run('delete', 'pvc/made');
    await run('wait', `pv/${name}`, '--for=delete', WAIT);
  });

  it('a StatefulSet: a pod that is deleted comes back to its data; claims stay when it shrinks, and after it', async () => {
    await apply(STATEFUL_SET);
    await run('rollout', 'status', 'statefulset/db', WAIT);
    for (const name of ['db-0', 'db-1']) await sh(name, `echo ${name} > /data/who`);
    const uid = await run('get', 'pod/db-0', '-o', 'jsonpath={.metadata.uid}');
    await run('delete', 'pod/db-0');
    await run('rollout', 'status', 'statefulset/db', WAIT);
    await ready('db-0');
    assert.notEqual(await run('get', 'pod/db-0', '-o', 'jsonpath={.metadata.uid}'), uid);
    assert.equal(await sh('db-0', 'cat /data/who'), 'db-0');
    await run('scale', 'statefulset/db', '--replicas=1');
    await run('wait', 'pod/db-1', '--for=delete', WAIT);
    assert.equal(await run('get', 'pvc', '-l', 'app=db', '-o', 'name'), 'persistentvolumeclaim/data-db-0\npersistentvolumeclaim/data-db-1');
    await run('scale', 'statefulset/db', '--replicas=2');
    await run('rollout', 'status', 'statefulset/db', WAIT);
    assert.equal(await sh('db-1', 'cat /data/who'), 'db-1');
    await run('delete', 'statefulset/db', 'service/db');
    assert.match(await run('get', 'pvc/data-db-0'), /Bound/);
    await run('delete', 'pvc', '-l', 'app=db');
    await eventually(async () => assert.equal((await run('get', 'pv', '-o', 'name')).includes('pvc-'), false));
  });
}

describe('stories of volumes on sim', { skip: kubectl ? false : 'this machine has no kubectl' }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ driver: 'sim', profile: 'e2e-volumes-sim', kubectl: kubectl!.path });
  });
  after(() => cluster?.delete());
  stories(() => cluster);
});

describe('stories of volumes on docker', () => {
  it('has a container engine', async (t) => void (await needsEngine(t)));
  if (!engine || !kubectl) return;
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ driver: 'docker', profile: 'e2e-volumes-docker', kubectl: kubectl.path });
    for (const archive of await tutorialImages(['busybox'])) await cluster.rockpool(['image', 'load', archive]);
  });
  after(() => cluster?.delete());
  stories(() => cluster);
});
