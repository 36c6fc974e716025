/**
 * The first tutorial, typed by a stranger: kubectl and nothing of ours but `rockpool service`. The same steps run on every driver;
 * `models` says how far container contents go (sim models known images, docker runs them).
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { execa } from 'execa';
import type { Cluster } from '../fixtures/cluster.ts';
import { eventually } from '../fixtures/eventually.ts';

const MANIFESTS = join(import.meta.dirname, 'manifests');

async function curl(url: string, ...args: string[]): Promise<string> {
  return (await execa('curl', ['-sS', '--max-time', '5', ...args, url])).stdout;
}

/** Declares the tutorial's steps, in order, as tests. */
export function firstTutorial(cluster: () => Cluster): void {
  const kubectl = (...args: string[]) => cluster().kubectl(args);
  const out = async (...args: string[]) => (await kubectl(...args)).stdout;

  it('get nodes: one Ready node', async () => {
    const lines = (await out('get', 'nodes')).split('\n');
    assert.match(lines[0]!, /^NAME +STATUS +ROLES +AGE +VERSION/);
    assert.match(lines[1]!, /^\S+ +Ready +control-plane +\S+ +v1\.36\.\d+/);
  });

  it('create deployment, and its pods come up', async () => {
    assert.equal(await out('create', 'deployment', 'web', '--image=nginx'), 'deployment.apps/web created');
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
    const wide = await out('get', 'pods', '-o', 'wide');
    assert.match(
      wide,
      /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES\nweb-[0-9a-z]+-[0-9a-z]{5} +1\/1 +Running +0 +\S+ +\d+\.\d+\.\d+\.\d+ /,
    );
    assert.match(await out('get', 'deployments'), /NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +1\/1 +1 +1 /);
  });

  it('describe shows the pod and its events', async () => {
    const text = await out('describe', 'pods', '-l', 'app=web');
    for (const expected of [
      /Status: +Running/,
      /Controlled By: +ReplicaSet\/web-/,
      /Successfully assigned default\/web-/,
      /Started/,
      /Ready +True/,
    ])
      assert.match(text, expected);
  });

  it('expose as NodePort; rockpool service prints a URL that answers with the page', async () => {
    await kubectl('expose', 'deployment', 'web', '--port=80', '--type=NodePort');
    assert.match(await out('get', 'service', 'web'), /web +NodePort +\S+ +<none> +80:3\d{4}\/TCP/);
    const url = (await cluster().rockpool(['service', 'web', '--url'])).stdout.trim();
    assert.match(url, /^http:\/\/[\w.:-]+:\d+$/);
    await eventually(async () => assert.match(await curl(url), /Welcome to nginx!/), { within: 10_000 });
  });

  it('logs show the request', async () => {
    await eventually(async () => assert.match(await out('logs', 'deployment/web'), /"GET \/ HTTP\/1\.1" 200/), { within: 10_000 });
  });

  it('exec runs a command in the container, and hands its exit code on', async () => {
    assert.match(await out('exec', 'deployment/web', '--', 'cat', '/etc/nginx/nginx.conf'), /http \{/);
    const piped = await cluster().kubectl(['exec', '-i', 'deployment/web', '--', 'cat'], { input: 'through a pipe' });
    assert.equal(piped.stdout, 'through a pipe');
    const failed = await cluster().kubectl(['exec', 'deployment/web', '--', 'sh', '-c', 'exit 7'], { reject: false });
    assert.equal(failed.exitCode, 7);
    assert.match(failed.stderr, /command terminated with exit code 7/);
  });

  it('exec -it gives a terminal', async () => {
    // script(1) lends the terminal that a person would have.
    const { stdout } = await execa(
      'script',
      ['-qec', `kubectl exec -it deployment/web -- sh -c 'test -t 0 && echo a terminal'`, '/dev/null'],
      {
        env: { KUBECONFIG: cluster().kubeconfig },
        timeout: 30_000,
      },
    );
    assert.match(stdout, /a terminal/);
  });

  it('a pod reaches http://web by name', async () => {
    await kubectl(
      'run',
      'visitor',
      '--image=busybox',
      '--image-pull-policy=IfNotPresent',
      '--restart=Never',
      '--',
      'wget',
      '-qO-',
      '-T',
      '10',
      'http://web',
    );
    await kubectl('wait', 'pod/visitor', '--for=jsonpath={.status.phase}=Succeeded', '--timeout=30s');
    assert.match(await out('logs', 'visitor'), /Welcome to nginx!/);
    await kubectl('delete', 'pod', 'visitor');
  });

  it('scale up and down', async () => {
    await kubectl('scale', 'deployment/web', '--replicas=3');
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
    assert.equal((await out('get', 'pods', '-l', 'app=web', '-o', 'name')).split('\n').length, 3);
    await kubectl('scale', 'deployment/web', '--replicas=1');
    await eventually(async () => assert.equal((await out('get', 'pods', '-l', 'app=web', '-o', 'name')).split('\n').length, 1));
  });

  it('set image rolls out, a bad image is told plainly, and undo brings the old one back', async () => {
    await kubectl('set', 'image', 'deployment/web', 'nginx=nginx:does-not-exist');
    await eventually(async () => assert.match(await out('get', 'pods', '-l', 'app=web'), /ErrImagePull|ImagePullBackOff/), {
      within: 60_000,
    });
    assert.match(await out('rollout', 'history', 'deployment/web'), /REVISION +CHANGE-CAUSE\n1 .*\n2 /);
    assert.equal(await out('rollout', 'undo', 'deployment/web'), 'deployment.apps/web rolled back');
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
    assert.equal(await out('get', 'deployment', 'web', '-o', 'jsonpath={.spec.template.spec.containers[0].image}'), 'nginx');
  });

  it('edit opens the object in the editor and stores what it leaves', async () => {
    await cluster().kubectl(['edit', 'deployment', 'web'], {
      env: { KUBECONFIG: cluster().kubeconfig, KUBE_EDITOR: `sed -i 's/replicas: 1/replicas: 2/'` },
    });
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
    assert.equal(await out('get', 'deployment', 'web', '-o', 'jsonpath={.status.readyReplicas}'), '2');
  });

  it('apply a pod with two containers', async () => {
    await kubectl('apply', '-f', join(MANIFESTS, 'two-containers.yaml'));
    await kubectl('wait', 'pod/pair', '--for=condition=Ready', '--timeout=60s');
    assert.match(await out('get', 'pod', 'pair'), /pair +2\/2 +Running/);
    await eventually(async () => assert.equal(await out('logs', 'pair', '-c', 'side'), 'side is here'));
    assert.equal(await out('apply', '-f', join(MANIFESTS, 'two-containers.yaml')), 'pod/pair unchanged');
  });

  it('apply a Deployment with ConfigMap and Secret by env and by volume', async () => {
    await kubectl('apply', '-f', join(MANIFESTS, 'configured.yaml'));
    await kubectl('rollout', 'status', 'deployment/configured', '--timeout=60s');
    await eventually(async () => assert.equal(await out('logs', 'deployment/configured'), 'hello s3cret\nfrom a config map'));
    assert.equal(await out('exec', 'deployment/configured', '--', 'cat', '/etc/keys/TOKEN'), 's3cret');
  });

  it('apply a Job, which completes', async () => {
    await kubectl('apply', '-f', join(MANIFESTS, 'job.yaml'));
    await kubectl('wait', 'job/sum', '--for=condition=Complete', '--timeout=60s');
    assert.match(await out('get', 'job', 'sum'), /sum +Complete +2\/2/);
    assert.match(await out('logs', '-l', 'job-name=sum'), /the sum is 42/);
  });

  it('port-forward reaches the pod', async () => {
    const forward = cluster().spawnKubectl(['port-forward', 'service/web', ':80']);
    try {
      let printed = '';
      forward.all!.on('data', (chunk: Buffer) => (printed += chunk.toString()));
      const port = await eventually(() => {
        const found = /Forwarding from 127\.0\.0\.1:(\d+)/.exec(printed);
        assert.ok(found, printed);
        return found[1]!;
      });
      assert.match(await curl(`http://127.0.0.1:${port}/`), /Welcome to nginx!/);
    } finally {
      forward.kill('SIGINT');
      await forward;
    }
  });

  it('delete removes what was made', async () => {
    await kubectl(
      'delete',
      'deployment/web',
      'service/web',
      'deployment/configured',
      'pod/pair',
      'job/sum',
      'configmap/settings',
      'secret/keys',
    );
    await eventually(async () => assert.equal((await kubectl('get', 'pods')).stdout, ''), { within: 60_000 });
    assert.equal((await kubectl('get', 'all')).stdout.includes('deployment'), false);
  });
}
