/** The simulated runtime under the kubelet, against a real API server: what a user of pods sees. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../../../test/fixtures/apiserver.ts';
import { eventually } from '../../../../test/fixtures/eventually.ts';
import type { Container, Pod, PodSpec } from '../../../api/types.gen.ts';
import type { Client } from '../../../client/client.ts';
import { createClient } from '../../../client/new-client.ts';
import { createRecorder } from '../../../client/recorder.ts';
import { CONFIG_MAPS, EVENTS, PODS, SERVICE_ACCOUNTS } from '../../../client/resources.ts';
import { systemClock } from '../../../lib/clock.ts';
import { createLogger } from '../../../lib/log.ts';
import { systemRng } from '../../../lib/random.ts';
import { createKubelet, type Kubelet } from '../../kubelet.ts';
import type { ContainerRuntime } from '../runtime.ts';
import { createSimNetwork } from './network.ts';
import { createSimRuntime } from './runtime.ts';

const NODE = 'sim-node';
const CIDR = '127.244.251.0/24';

describe('kubelet on the simulated runtime', () => {
  let api: TestApiServer;
  let client: Client;
  let kubelet: Kubelet;
  let runtime: ContainerRuntime;
  let dir: string;
  const network = createSimNetwork();

  before(async () => {
    [api, dir] = await Promise.all([startTestApiServer(), mkdtemp(path.join(tmpdir(), 'rockpool-sim-node-'))]);
    const [clock, log] = [systemClock(), createLogger({ level: 'error' })];
    client = createClient({ transport: api.loopback(), clock, log });
    runtime = createSimRuntime({
      podCidr: CIDR,
      hostIp: '127.0.0.1',
      network,
      lookup: () => Promise.resolve([]),
      version: '1',
      clock,
      log,
    });
    await client.resource(SERVICE_ACCOUNTS, 'default').create({ metadata: { name: 'default' } });
    kubelet = createKubelet({
      client, clock, rng: systemRng(), log, runtime, events: createRecorder({ client, clock, log, component: 'kubelet' }), nodeName: NODE, nodeIp: '127.0.0.1', rootDir: path.join(dir, 'kubelet'),
      podLogsDir: path.join(dir, 'logs'), dns: { ip: '127.96.0.10', domain: 'cluster.local' }, podCidr: CIDR, cgroups: false, mounts: false,
    }); // prettier-ignore
    await kubelet.start(new AbortController().signal);
  });
  after(async () => {
    await kubelet.stop();
    await runtime.close();
    await client.close();
    await api.close();
    await rm(dir, { recursive: true, force: true });
  });

  const pods = () => client.resource(PODS, 'default');
  const run = (name: string, container: Partial<Container>, spec: Partial<PodSpec> = {}) =>
    pods().create({
      metadata: { name },
      spec: {
        nodeName: NODE,
        automountServiceAccountToken: false,
        terminationGracePeriodSeconds: 1,
        ...spec,
        containers: [{ name: 'main', image: 'busybox', imagePullPolicy: 'IfNotPresent', ...container }],
      },
    });
  const until = (name: string, fits: (pod: Pod) => boolean) =>
    eventually(
      async () => {
        const pod = await pods().get(name);
        assert.ok(fits(pod), JSON.stringify(pod.status));
        return pod;
      },
      { within: 10_000 },
    );
  const ready = (pod: Pod) => pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
  const log = async (name: string, file = '0.log') => {
    const { uid } = (await pods().get(name)).metadata;
    return (await readFile(path.join(dir, 'logs', `default_${name}_${uid}`, 'main', file), 'utf8')).replaceAll(/^\S+ \S+ [PF] /gm, '');
  };

  it('probes reach a server, and its host port does', async () => {
    const probe = { httpGet: { path: '/', port: 'http' }, periodSeconds: 1 };
    await run('web', {
      image: 'nginx',
      ports: [{ name: 'http', containerPort: 80, hostPort: 28_080 }],
      readinessProbe: probe,
      livenessProbe: { tcpSocket: { port: 80 } },
    });
    const { status } = await until('web', ready);
    assert.match(status?.podIP ?? '', /^127\.244\.251\.\d+$/);
    assert.match(status?.containerStatuses?.[0]?.containerID ?? '', /^sim:\/\/[0-9a-f]{64}$/);
    assert.match(await (await fetch('http://127.0.0.1:28080/')).text(), /Welcome to nginx!/);
    assert.match(await log('web'), /"GET \/ HTTP\/1\.1" 200 \d+ "-" "kube-probe\//);
    await pods().delete('web');
    await eventually(() => assert.rejects(pods().get('web'), /not found/), { within: 10_000 });
    await assert.rejects(fetch('http://127.0.0.1:28080/'));
  });

  it('a command sees its config map, by volume and environment, and its exit code is told', async () => {
    await client
      .resource(CONFIG_MAPS, 'default')
      .create({ metadata: { name: 'settings' }, data: { COLOUR: 'blue', 'page.txt': 'a page' } });
    await run(
      'job',
      {
        command: ['sh', '-c', 'echo $COLOUR; cat /etc/settings/page.txt; echo; echo reason > /dev/termination-log; exit 3'],
        envFrom: [{ configMapRef: { name: 'settings' } }],
        volumeMounts: [{ name: 'settings', mountPath: '/etc/settings' }],
      },
      { restartPolicy: 'Never', volumes: [{ name: 'settings', configMap: { name: 'settings' } }] },
    );
    const { status } = await until('job', (pod) => pod.status?.phase === 'Failed');
    assert.equal(await log('job'), 'blue\na page\n');
    const { terminated } = status!.containerStatuses![0]!.state!;
    assert.deepEqual([terminated?.exitCode, terminated?.reason, terminated?.message], [3, 'Error', 'reason\n']);
  });

  it('what does not run is told in the words that people search for', async () => {
    await run('bad-image', { image: 'nginx:does-not-exist' });
    await run('bad-command', { command: ['no-such-program'] });
    const image = await until('bad-image', (pod) =>
      /ErrImagePull|ImagePullBackOff/.test(pod.status?.containerStatuses?.[0]?.state?.waiting?.reason ?? ''),
    );
    assert.match(
      image.status?.containerStatuses?.[0]?.state?.waiting?.message ?? '',
      /docker\.io\/library\/nginx:does-not-exist: not found/,
    );
    await until('bad-command', (pod) =>
      /RunContainerError|CrashLoopBackOff/.test(pod.status?.containerStatuses?.[0]?.state?.waiting?.reason ?? ''),
    );
    await eventually(async () => {
      const { items } = await client.resource(EVENTS, 'default').list();
      assert.ok(
        items.some(
          ({ message, involvedObject }) =>
            involvedObject.name === 'bad-command' && /exec: "no-such-program": executable file not found in \$PATH/.test(message ?? ''),
        ),
      );
    });
  });

  it('a container that ends is started again, and what it said before is kept', async () => {
    await run('again', { command: ['sh', '-c', 'echo run; exit 1'] });
    await until(
      'again',
      (pod) =>
        pod.status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CrashLoopBackOff' ||
        (pod.status?.containerStatuses?.[0]?.restartCount ?? 0) > 0,
    );
    assert.equal(await log('again'), 'run\n');
  });
});
