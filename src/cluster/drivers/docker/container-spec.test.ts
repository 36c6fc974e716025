import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exampleProfile } from '../../profile.fixture.ts';
import type { Profile } from '../../profile.ts';
import { containerSpec, parsePorts } from './container-spec.ts';
import { proxySettings } from './proxy-settings.ts';

const profile = exampleProfile();

test('the node container asks for what it needs and not for --privileged', () => {
  const { HostConfig, ...spec } = containerSpec(profile);
  const { CapAdd, ...host } = HostConfig!;
  assert.deepEqual(host, {
    Init: true,
    CgroupnsMode: 'private',
    SecurityOpt: ['seccomp=unconfined', 'apparmor=unconfined'],
    MaskedPaths: [],
    ReadonlyPaths: [],
    DeviceCgroupRules: ['a *:* rwm'],
    Tmpfs: { '/run': '', '/tmp': '' },
    Mounts: [{ Type: 'volume', Source: 'rockpool', Target: '/var' }],
    PortBindings: { '6443/tcp': [{ HostIp: '127.0.0.1', HostPort: '41000' }] },
    NetworkMode: 'rockpool',
    RestartPolicy: { Name: 'unless-stopped' },
    LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
  });
  assert.ok(!('Privileged' in host));
  for (const name of ['SYS_ADMIN', 'NET_ADMIN', 'SYS_PTRACE']) assert.ok(CapAdd!.includes(name));
  assert.ok(!CapAdd!.includes('SYS_RESOURCE'), 'engines in sandboxes cannot give it');
  assert.equal(spec.Image, 'rockpool/node:abc');
  assert.deepEqual(spec.NetworkingConfig, { EndpointsConfig: { rockpool: { IPAMConfig: { IPv4Address: '192.168.49.2' } } } });
});

test('a container is replaced when what was asked for changed, not when the engine knows fewer capabilities', () => {
  const label = (change: Partial<Profile>, dropped: string[] = []) =>
    containerSpec({ ...profile, ...change }, { dropped }).Labels!['rockpool.dev/spec'];
  const same = label({});
  assert.equal(label({}, ['BPF']), same);
  assert.equal(label({ state: 'creating', addons: ['dns'] }), same);
  for (const change of [{ apiPort: 42000 }, { nodeImage: 'rockpool/node:def' }, { ports: ['8080:80'] }, { memoryMiB: 2048 }, { cpus: 2 }])
    assert.notEqual(label(change), same, JSON.stringify(change));
});

test("the node uses the machine's proxies, and none for what is in the cluster", () => {
  assert.deepEqual(proxySettings({ PATH: '/bin' }, profile), []);
  assert.deepEqual(proxySettings({ https_proxy: 'http://proxy:3128', NO_PROXY: 'intra.example' }, profile), [
    'https_proxy=http://proxy:3128',
    'HTTPS_PROXY=http://proxy:3128',
    'no_proxy=intra.example,localhost,127.0.0.1,10.244.0.0/16,10.96.0.0/12,192.168.49.0/24,.svc,.cluster.local',
    'NO_PROXY=intra.example,localhost,127.0.0.1,10.244.0.0/16,10.96.0.0/12,192.168.49.0/24,.svc,.cluster.local',
  ]);
  const label = (env: string[]) => containerSpec(profile, { env }).Labels!['rockpool.dev/spec'];
  assert.notEqual(label(['a=b']), label([]), 'another proxy makes another container');
});

test("limits are the engine's units", () => {
  const host = containerSpec({ ...profile, cpus: 1.5, memoryMiB: 2048 }).HostConfig!;
  assert.equal(host.NanoCpus, 1_500_000_000);
  assert.equal(host.Memory, 2_147_483_648);
  assert.equal(host.MemorySwap, host.Memory);
});

test('ports', async (t) => {
  const good = [
    { text: '8080:80', ports: [{ host: 8080, node: 80, protocol: 'tcp' }] },
    { text: '30080', ports: [{ host: 30080, node: 30080, protocol: 'tcp' }] },
    { text: '0.0.0.0:5300:53/udp', ports: [{ address: '0.0.0.0', host: 5300, node: 53, protocol: 'udp' }] },
    {
      text: '8000-8001:30000-30001',
      ports: [
        { host: 8000, node: 30000, protocol: 'tcp' },
        { host: 8001, node: 30001, protocol: 'tcp' },
      ],
    },
  ];
  for (const { text, ports } of good) await t.test(text, () => assert.deepEqual(parsePorts(text), ports));
  for (const text of ['', 'http', '8080:', '1-2:3', '2-1:3-4', '0:80', '80:70000', '80:80/sctp']) {
    await t.test(`refused: ${text}`, () => assert.throws(() => parsePorts(text), { code: 'USAGE', exitCode: 14 }));
  }
});
