import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../../../../test/fixtures/eventually.ts';
import { systemClock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import type { ContainerConfig, ContainerRuntime, PodSandboxConfig } from '../runtime.ts';
import { createSimNetwork, type SimNetwork } from './network.ts';
import { createSimRuntime } from './runtime.ts';

const CIDR = '127.244.250.0/24';

describe('simulated runtime', () => {
  let dir: string;
  let runtime: ContainerRuntime;
  let network: SimNetwork;
  let pods = 0;
  const names = new Map<string, string>();

  before(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'rockpool-sim-'));
    network = createSimNetwork();
    const lookup = (name: string) => Promise.resolve([names.get(name)].filter((address) => address !== undefined));
    runtime = createSimRuntime({
      podCidr: CIDR,
      hostIp: '127.0.0.1',
      network,
      lookup,
      catalogueDir: path.join(dir, 'catalogue'),
      version: '0.0.0',
      clock: systemClock(),
      log: silentLogger,
    });
  });
  after(async () => {
    await runtime.close();
    await rm(dir, { recursive: true, force: true });
  });

  async function run(
    image: string,
    overrides: Partial<ContainerConfig> = {},
  ): Promise<{ id: string; ip: string; sandboxId: string; logs(): Promise<string>; ended(): Promise<number> }> {
    const name = `pod-${++pods}`;
    const sandbox: PodSandboxConfig = {
      name, namespace: 'default', uid: `uid-${pods}`, attempt: 0, hostname: name, labels: {}, annotations: {}, logDirectory: path.join(dir, name),
      dns: { servers: ['127.96.0.10'], searches: ['default.svc.cluster.local', 'svc.cluster.local', 'cluster.local'], options: ['ndots:5'] }, portMappings: [], cgroupParent: '', sysctls: {},
      hostNetwork: false, hostPid: false, hostIpc: false, shareProcessNamespace: false, privileged: false, supplementalGroups: [],
    }; // prettier-ignore
    const { imageRef } = await runtime.pullImage(image, {});
    const sandboxId = await runtime.runPodSandbox(sandbox);
    const config: ContainerConfig = {
      name: 'main', attempt: 0, image: imageRef, userImage: image, command: [], args: [], workingDir: '', env: [], mounts: [], devices: [], labels: {}, annotations: {}, logPath: 'main/0.log', stdin: false,
      stdinOnce: false, tty: false, resources: {}, security: { privileged: false, capabilitiesAdd: [], capabilitiesDrop: [], readonlyRootfs: false, noNewPrivs: false, maskedPaths: [], readonlyPaths: [], supplementalGroups: [] },
      ...overrides,
    }; // prettier-ignore
    const id = await runtime.createContainer(sandboxId, config, sandbox);
    await runtime.startContainer(id);
    const logs = async () => (await readFile(path.join(dir, name, 'main/0.log'), 'utf8')).replaceAll(/^\S+ \S+ [PF] /gm, '');
    const ended = () =>
      eventually(async () => {
        const status = await runtime.containerStatus(id);
        assert.equal(status?.state, 'EXITED');
        return status.exitCode;
      });
    return { id, sandboxId, ip: (await runtime.podSandboxStatus(sandboxId))!.ips[0]!, logs, ended };
  }

  const shell = async (id: string, text: string) => {
    const { stdout, stderr, exitCode } = await runtime.execSync(id, ['sh', '-c', text], 5);
    return { out: stdout.toString('utf8'), err: stderr.toString('utf8'), exitCode };
  };

  it('nginx answers on the address of its pod and logs the request', async () => {
    const web = await run('nginx');
    assert.match(web.ip, /^127\.244\.250\.\d+$/);
    const { host, port } = network.resolve(web.ip, 80);
    const response = await fetch(`http://${host}:${port}/`);
    assert.equal(response.status, 200);
    assert.match(await response.text(), /Welcome to nginx!/);
    assert.equal((await fetch(`http://${host}:${port}/missing`)).status, 404);
    await eventually(async () => assert.match(await web.logs(), /"GET \/ HTTP\/1\.1" 200 \d+/));
    assert.match(await web.logs(), /\[error\] .*open\(\) "\/usr\/share\/nginx\/html\/missing" failed/);
    assert.match((await shell(web.id, 'cat /etc/nginx/nginx.conf')).out, /http \{/);
    await runtime.stopContainer(web.id, 30);
    const status = await runtime.containerStatus(web.id);
    assert.deepEqual([status?.state, status?.exitCode, status?.reason], ['EXITED', 0, 'Completed']);
  });

  it('a tag that does not exist is not found, in the words of containerd', async () => {
    await assert.rejects(runtime.pullImage('nginx:does-not-exist', {}), {
      message:
        'failed to pull and unpack image "docker.io/library/nginx:does-not-exist": failed to resolve reference "docker.io/library/nginx:does-not-exist": docker.io/library/nginx:does-not-exist: not found',
    });
    for (const tag of ['latest', '1.27', '1.25.3-alpine', 'stable-alpine', 'alpine', '1.29-bookworm'])
      await runtime.pullImage(`nginx:${tag}`, {});
  });

  it('busybox runs its command to its end', async () => {
    const job = await run('busybox', { command: ['sh', '-c', 'echo the sum is $((40 + 2)); exit 3'] });
    assert.equal(await job.ended(), 3);
    assert.equal(await job.logs(), 'the sum is 42\n');
    const status = await runtime.containerStatus(job.id);
    assert.equal(status?.reason, 'Error');
  });

  it('a pod reaches another one by the name of its Service', async () => {
    const web = await run('nginx');
    names.set('web.default.svc.cluster.local', web.ip);
    const visitor = await run('busybox', { command: ['wget', '-qO-', '-T', '5', 'http://web'] });
    assert.equal(await visitor.ended(), 0);
    assert.match(await visitor.logs(), /Welcome to nginx!/);
    const lost = await run('busybox', { command: ['wget', '-qO-', 'http://nobody'] });
    assert.equal(await lost.ended(), 1);
    assert.equal(await lost.logs(), "wget: bad address 'nobody'\n");
    const looked = await shell(
      (await run('busybox', { command: ['sleep', '100'] })).id,
      'nslookup web && nc -zv web 80; nc -z web 81 || echo closed',
    );
    assert.match(looked.out, new RegExp(`Name:\tweb\\.default\\.svc\\.cluster\\.local\nAddress: ${web.ip}`));
    assert.match(looked.out, /closed/);
    assert.match(looked.err, /web \(web:80\) open/);
  });

  it("mounts are real folders of this machine, the rest is the container's own", async () => {
    const folder = path.join(dir, 'volume');
    await mkdir(folder);
    await writeFile(path.join(folder, 'page.txt'), 'from the volume\n');
    const mount = (containerPath: string, readonly: boolean) => ({
      containerPath,
      hostPath: folder,
      readonly,
      propagation: 'None' as const,
    });
    const box = await run('busybox', { command: ['sleep', '1000'], mounts: [mount('/data', false), mount('/fixed', true)] });
    const { out, err } = await shell(
      box.id,
      'cat /data/page.txt; echo new > /data/new.txt; echo no > /fixed/no.txt; echo own > /own.txt; ls / | grep -c own; hostname',
    );
    assert.match(out, /^from the volume\n1\npod-\d+\n$/);
    assert.match(err, /can't create \/fixed\/no.txt: Read-only file system/);
    assert.equal(await readFile(path.join(folder, 'new.txt'), 'utf8'), 'new\n');
    const strict = await run('busybox', {
      command: ['sleep', '1000'],
      security: {
        privileged: false,
        capabilitiesAdd: [],
        capabilitiesDrop: [],
        readonlyRootfs: true,
        noNewPrivs: false,
        maskedPaths: [],
        readonlyPaths: [],
        supplementalGroups: [],
      },
    });
    assert.match((await shell(strict.id, 'echo x > /tmp/x')).err, /Read-only file system/);
  });

  it('nginx serves what is mounted and what its configuration says', async () => {
    const folder = path.join(dir, 'conf.d');
    await mkdir(folder);
    await writeFile(
      path.join(folder, 'site.conf'),
      'server { listen 8080; location / { return 200 "hello $host\\n"; } location /old { return 301 /new; } location = /health { access_log off; return 204; } }',
    );
    const web = await run('nginx:1.27-alpine', {
      mounts: [{ containerPath: '/etc/nginx/conf.d', hostPath: folder, readonly: true, propagation: 'None' }],
    });
    const { host, port } = network.resolve(web.ip, 8080);
    const get = (url: string) => fetch(`http://${host}:${port}${url}`, { redirect: 'manual' });
    assert.match(await (await get('/')).text(), /^hello 127\./);
    assert.equal((await get('/old')).headers.get('location'), '/new');
    assert.equal((await get('/health')).status, 204);
    await writeFile(path.join(folder, 'site.conf'), 'server { listen 8080; return 200 reloaded; }');
    assert.equal((await shell(web.id, 'nginx -t && nginx -s reload')).exitCode, 0);
    await eventually(async () => assert.equal(await (await get('/')).text(), 'reloaded'));
    await writeFile(path.join(folder, 'site.conf'), 'server { listen 8080');
    assert.equal((await shell(web.id, 'nginx -t')).exitCode, 1);
  });

  it('redis keeps data that several clients share', async () => {
    const redis = await run('redis:7-alpine');
    names.set('redis.default.svc.cluster.local', redis.ip);
    const cli = async (text: string) => (await shell(redis.id, text)).out;
    assert.equal(await cli('redis-cli ping'), 'PONG\n');
    assert.equal(
      await cli('redis-cli set greeting "hello there"; redis-cli get greeting; redis-cli incr n; redis-cli incr n; redis-cli keys "*"'),
      'OK\nhello there\n1\n2\ngreeting\nn\n',
    );
    const client = await run('redis', {
      command: ['sh', '-c', 'redis-cli -h redis get greeting && echo "LPUSH l a b\nLRANGE l 0 -1" | redis-cli -h redis'],
    });
    assert.equal(await client.ended(), 0);
    assert.match(await client.logs(), /^hello there\n/);
    assert.equal(await cli('redis-cli -p 1 ping || echo none'), 'none\n');
  });

  const SERVERS: readonly (readonly [string, number, string, RegExp, Partial<ContainerConfig>?])[] = [
    ['httpd:2.4', 80, '/', /It works!/],
    ['hashicorp/http-echo', 5678, '/', /^apple\n$/, { args: ['-text=apple'] }],
    ['ealen/echo-server', 80, '/x?y=1', /"originalUrl":"\/x\?y=1"/],
    ['registry.k8s.io/echoserver:1.4', 8080, '/', /Request Information:/],
    ['kicbase/echo-server:1.0', 8080, '/', /^Request served by pod-/],
    ['traefik/whoami', 80, '/', /^Hostname: pod-/],
    ['gcr.io/google-samples/hello-app:1.0', 8080, '/', /Hello, world!/],
    ['registry.k8s.io/e2e-test-images/agnhost:2.53', 8080, '/hostname', /^pod-\d+$/, { args: ['netexec'] }],
  ];
  for (const [image, containerPort, url, expected, overrides] of SERVERS) {
    it(`${image} answers`, async () => {
      const { ip } = await run(image, overrides);
      const { host, port } = network.resolve(ip, containerPort);
      assert.match(await (await fetch(`http://${host}:${port}${url}`)).text(), expected);
    });
  }

  it('curl and wget in other images', async () => {
    const web = await run('httpd');
    names.set('httpd.default.svc.cluster.local', web.ip);
    const curl = await run('curlimages/curl', { args: ['-s', '-o', '/dev/null', '-w', '%{http_code}\\n', 'http://httpd/missing'] });
    assert.equal(await curl.ended(), 0);
    assert.equal(await curl.logs(), '404\n');
    const failing = await run('curlimages/curl', { args: ['-sS', 'http://nobody'] });
    assert.equal(await failing.ended(), 6);
    assert.equal(await failing.logs(), 'curl: (6) Could not resolve host: nobody\n');
  });

  it('an image that the user modelled', async () => {
    await mkdir(path.join(dir, 'catalogue'));
    await writeFile(
      path.join(dir, 'catalogue', 'app.yaml'),
      'image: my/app\nports: [9000]\nlog: started\nhttp: [{ path: /status, status: 418, body: teapot }]\nexec: [{ command: [app, version], stdout: "1.0\\n" }]\nfiles: { /etc/app.conf: "x=1" }\n',
    );
    const app = await run('my/app:2');
    const { host, port } = network.resolve(app.ip, 9000);
    const response = await fetch(`http://${host}:${port}/status`);
    assert.deepEqual([response.status, await response.text()], [418, 'teapot']);
    assert.equal((await shell(app.id, 'app version; cat /etc/app.conf')).out, '1.0\nx=1');
    await writeFile(path.join(dir, 'catalogue', 'job.yaml'), 'image: my/job\nexit: { code: 3 }\n');
    assert.equal(await (await run('my/job')).ended(), 3);
  });

  it('a command that the image does not have cannot start, and exec says so', async () => {
    await assert.rejects(run('busybox', { command: ['python'] }), /exec: "python": executable file not found in \$PATH/);
    const idle = await run('busybox', { command: ['sleep', '1000'] });
    await assert.rejects(runtime.execSync(idle.id, ['python'], 1), /executable file not found in \$PATH/);
    await assert.rejects(runtime.execSync(idle.id, ['sleep', '10'], 0.01), { code: 'Timeout' });
  });

  it('process 1 ignores TERM unless it handles it, and KILL ends it', async () => {
    const deaf = await run('busybox', { command: ['sleep', '1000'] });
    const began = performance.now();
    await runtime.stopContainer(deaf.id, 0.05);
    assert.ok(performance.now() - began >= 45);
    assert.equal((await runtime.containerStatus(deaf.id))?.exitCode, 137);
    const polite = await run('busybox', {
      command: ['sh', '-c', 'trap "echo bye; exit 4" TERM; echo ready; while :; do sleep 0.01; done'],
    });
    await eventually(async () => assert.equal(await polite.logs(), 'ready\n'));
    await runtime.stopContainer(polite.id, 30);
    assert.equal((await runtime.containerStatus(polite.id))?.exitCode, 4);
    assert.equal(await polite.logs(), 'ready\nbye\n');
  });

  it('an unknown image runs idle and says so', async () => {
    const idle = await run('example.com/team/app:1', { command: ['/app', '--serve'] });
    const said = 'rockpool: image "example.com/team/app:1" is not in the catalogue of simulated images; it runs as an idle process\n';
    await eventually(async () => assert.equal(await idle.logs(), said));
    await runtime.stopContainer(idle.id, 30);
    assert.equal((await runtime.containerStatus(idle.id))?.exitCode, 0);
  });

  it('addresses go back when the sandbox is removed', async () => {
    const pod = await run('registry.k8s.io/pause:3.10');
    await runtime.removePodSandbox(pod.sandboxId);
    assert.equal(await runtime.podSandboxStatus(pod.sandboxId), undefined);
    assert.equal(await runtime.containerStatus(pod.id), undefined);
    await runtime.removePodSandbox(pod.sandboxId);
  });
});
