/** Pods that run: rollouts, logs, exec, files, ports. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { execa } from 'execa';
import type { Cluster } from '../../fixtures/cluster.ts';
import { eventually } from '../../fixtures/eventually.ts';
import { deployment, stage, type Kubectl } from './stage.ts';

const curl = async (url: string): Promise<string> => (await execa('curl', ['-sS', '--max-time', '5', url])).stdout;

export function rollouts(cluster: () => Cluster, kubectl: Kubectl): void {
  describe('rolling out', { concurrency: 1 }, () => {
    const { out, refused, file } = stage(cluster, kubectl, 'rollout');

    it('status, history, undo', async () => {
      await out('apply', '-f', file('app.json', deployment('app', 'nginx:1.26')));
      assert.match(await out('rollout', 'status', 'deployment/app', '--timeout=60s'), /deployment "app" successfully rolled out$/);
      await out('set', 'image', 'deployment/app', 'nginx=nginx');
      await out('annotate', 'deployment/app', 'kubernetes.io/change-cause=newest nginx');
      await out('rollout', 'status', 'deployment/app', '--timeout=60s');
      await eventually(async () =>
        assert.match(await out('rollout', 'history', 'deployment/app'), /REVISION +CHANGE-CAUSE\n1 +<none>\n2 +newest nginx/),
      );
      assert.match(await out('rollout', 'history', 'deployment/app', '--revision=1'), /with revision #1\n[\s\S]*Image:\s+nginx:1\.26/);
      assert.equal(await out('rollout', 'undo', 'deployment/app'), 'deployment.apps/app rolled back');
      assert.equal(await out('get', 'deployment', 'app', '-o', 'jsonpath={.spec.template.spec.containers[0].image}'), 'nginx:1.26');
      assert.match(
        await refused('rollout', 'undo', 'deployment/app', '--to-revision=99'),
        /unable to find specified revision 99 in history/,
      );
    });

    it('pause, resume, restart', async () => {
      assert.equal(await out('rollout', 'pause', 'deployment/app'), 'deployment.apps/app paused');
      assert.match(await refused('rollout', 'pause', 'deployment/app'), /already paused/);
      assert.match(await refused('rollout', 'restart', 'deployment/app'), /can't restart paused deployment/);
      assert.equal(await out('rollout', 'resume', 'deployment/app'), 'deployment.apps/app resumed');
      assert.equal(await out('rollout', 'restart', 'deployment/app'), 'deployment.apps/app restarted');
      await out('rollout', 'status', 'deployment/app', '--timeout=60s');
      assert.notEqual(
        await out('get', 'pods', '-l', 'app=app', '-o', `jsonpath={.items[0].metadata.annotations.kubectl\\.kubernetes\\.io/restartedAt}`),
        '',
      );
    });

    it('each way to delete', async () => {
      const pods = (): Promise<string> => out('get', 'pods', '-l', 'app=app', '-o', 'name');
      await out('delete', 'deployment', 'app', '--cascade=orphan');
      assert.equal(await out('get', 'deployments', '-o', 'name'), '');
      const sets = await out('get', 'replicasets', '-l', 'app=app', '-o', 'name');
      assert.match(sets, /^replicaset\.apps\/app-/);
      assert.notEqual(await pods(), '');
      await out('delete', 'replicasets', '-l', 'app=app', '--cascade=foreground', '--timeout=60s');
      assert.equal(await pods(), '');
      await out('create', 'deployment', 'again', '--image=nginx');
      await out('delete', 'deployment', 'again', '--cascade=background');
      await eventually(async () => assert.equal(await out('get', 'replicasets', '-o', 'name'), ''));
    });
  });
}

export function pods(cluster: () => Cluster, kubectl: Kubectl): void {
  describe('working with pods', { concurrency: 1 }, () => {
    const { out, refused, run, start, since, file, namespace } = stage(cluster, kubectl, 'pods');

    it('run, expose, and wait in every way', async () => {
      const script = 'echo one; echo two; while true; do sleep 1; done';
      assert.equal(
        await out(
          'run',
          'solo',
          '--image=busybox',
          '--image-pull-policy=IfNotPresent',
          '--restart=Never',
          '--labels=run=solo',
          '--env=X=Y',
          '--command',
          '--',
          'sh',
          '-c',
          script,
        ),
        'pod/solo created',
      );
      assert.equal(await out('wait', 'pod/solo', '--for=condition=Ready', '--timeout=60s'), 'pod/solo condition met');
      if (since(23))
        assert.equal(await out('wait', 'pod/solo', '--for=jsonpath={.status.phase}=Running', '--timeout=10s'), 'pod/solo condition met');
      assert.equal(await out('expose', 'pod', 'solo', '--port=80'), 'service/solo exposed');
      assert.equal(await out('get', 'service', 'solo', '-o', 'jsonpath={.spec.selector.run}'), 'solo');
    });

    it('logs, in parts and followed', async () => {
      await eventually(async () => assert.equal(await out('logs', 'solo'), 'one\ntwo'));
      assert.equal(await out('logs', 'solo', '--tail=1'), 'two');
      assert.match(await out('logs', 'solo', '--timestamps', '--tail=1'), /^\d{4}-\d\d-\d\dT[\d:.]+Z two$/);
      assert.equal(await out('logs', '-l', 'run=solo', '--prefix', '--all-containers'), '[pod/solo/solo] one\n[pod/solo/solo] two');
      assert.equal(await out('logs', 'solo', '--limit-bytes=2'), 'on');
      assert.match(await refused('logs', 'solo', '-p'), /previous terminated container "solo" in pod "solo" not found/);
      assert.match(await refused('logs', 'solo', '-c', 'nope'), /container nope is not valid for pod solo/);
      const follow = start('logs', '-f', 'solo', '--since=10m');
      await eventually(() => assert.match(follow.printed(), /one\ntwo\n/));
      await follow.stop();
    });

    it('exec: input, exit codes, what is not there', async () => {
      assert.equal(await out('exec', 'solo', '--', 'sh', '-c', 'echo $X'), 'Y');
      assert.equal((await run(['exec', '-i', 'solo', '--', 'cat'], { input: 'through a pipe' })).stdout, 'through a pipe');
      const failed = await run(['exec', 'solo', '--', 'sh', '-c', 'exit 3'], { reject: false });
      assert.deepEqual([failed.exitCode, failed.stderr], [3, 'command terminated with exit code 3']);
      assert.match(await refused('exec', 'nope', '--', 'ls'), /pods "nope" not found/);
    });

    it('cp, there and back', async (t) => {
      if (cluster().driver === 'sim') return t.skip('simulated containers have no tar');
      const sent = file('sent.txt', 'a file\n');
      await out('cp', sent, 'solo:/tmp/got.txt');
      assert.equal(await out('exec', 'solo', '--', 'cat', '/tmp/got.txt'), 'a file');
      await out('cp', 'solo:/tmp/got.txt', `${sent}.back`);
      assert.equal(readFileSync(`${sent}.back`, 'utf8'), 'a file\n');
    });

    it('attach sees what the container prints', async () => {
      await out(
        'run',
        'ticking',
        '--image=busybox',
        '--image-pull-policy=IfNotPresent',
        '--restart=Never',
        '--command',
        '--',
        'sh',
        '-c',
        'while true; do echo tick; sleep 1; done',
      );
      await out('wait', 'pod/ticking', '--for=condition=Ready', '--timeout=60s');
      const attached = start('attach', 'ticking');
      await eventually(() => assert.match(attached.printed(), /^tick$/m));
      await attached.stop();
      await out('delete', 'pod', 'ticking', '--now');
    });

    it('debug adds a container to a running pod', async (t) => {
      if (!since(23)) return t.skip('older kubectls use an API that is gone');
      await out('debug', 'solo', '--image=busybox', '--image-pull-policy=IfNotPresent', '-c', 'bug', '--', 'echo', 'debugging');
      await eventually(async () => assert.equal(await out('logs', 'solo', '-c', 'bug'), 'debugging'));
      assert.match(await out('describe', 'pod', 'solo'), /Ephemeral Containers:\n {2}bug:/);
    });

    it('port-forward and proxy reach a page', async () => {
      await out('run', 'page', '--image=nginx', '--image-pull-policy=IfNotPresent', '--port=80', '--expose');
      await out('wait', 'pod/page', '--for=condition=Ready', '--timeout=60s');
      const forward = start('port-forward', 'pod/page', ':80');
      const proxy = start('proxy', '--port=0');
      try {
        const port = await eventually(() => /127\.0\.0\.1:(\d+) -> 80/.exec(forward.printed())![1]!);
        assert.match(await curl(`http://127.0.0.1:${port}/`), /Welcome to nginx!/);
        const api = await eventually(() => /127\.0\.0\.1:(\d+)/.exec(proxy.printed())![1]!);
        await eventually(async () =>
          assert.match(await curl(`http://127.0.0.1:${api}/api/v1/namespaces/${namespace}/services/page:80/proxy/`), /Welcome to nginx!/),
        );
        assert.match(await curl(`http://127.0.0.1:${api}/version`), /"gitVersion": ?"v1\.36/);
      } finally {
        await forward.stop();
        await proxy.stop();
      }
    });

    it('events tell the story', async () => {
      const events = await out('get', 'events', '--sort-by=.metadata.creationTimestamp', '--field-selector=involvedObject.name=solo');
      assert.match(events, /Scheduled[\s\S]*Pulled[\s\S]*Created[\s\S]*Started/);
      if (since(26)) assert.match(await out('events', '--for=pod/solo'), /Normal +Scheduled +Pod\/solo +Successfully assigned/);
    });

    it('delete waits until the pod is gone', async () => {
      await out('delete', 'pod', 'solo', '--grace-period=1', '--wait=false');
      assert.match((await run(['wait', 'pod/solo', '--for=delete', '--timeout=60s'], { reject: false })).stderr, /^$|NotFound/);
      assert.match(await refused('get', 'pod', 'solo'), /NotFound/);
    });
  });
}
