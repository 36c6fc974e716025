import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PodSpec } from '../../../api/types.gen.ts';
import { MemoryObjects } from '../../../../test/fixtures/memory-objects.ts';
import { podSecurity } from './plugin.ts';

interface Judged {
  refusal: string;
  notes: Record<string, string>;
}

/** What a namespace with these labels makes of a pod. */
async function judge(labels: Record<string, string>, spec: Partial<PodSpec>): Promise<Judged> {
  const own = Object.fromEntries(Object.entries(labels).map(([key, value]) => [`pod-security.kubernetes.io/${key}`, value]));
  const objects = new MemoryObjects({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n', labels: own } });
  const notes: Record<string, string> = {};
  const request = {
    operation: 'CREATE',
    resource: objects.resources.find('', 'v1', 'pods')!,
    subresource: '',
    namespace: 'n',
    name: 'p',
    object: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', namespace: 'n' },
      spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
    },
    user: { name: 'jane', groups: [] },
    dryRun: false,
    options: {},
    warn: () => undefined,
    annotate: (key: string, value: string) => void (notes[key.replace('pod-security.kubernetes.io/', '')] = value),
  } as const;
  try {
    await podSecurity(objects).validate!(request);
    return { refusal: '', notes };
  } catch (error) {
    return { refusal: (error as Error).message, notes };
  }
}

const sysctl = (name: string): Partial<PodSpec> => ({ securityContext: { sysctls: [{ name, value: '1' }] } });
const windows: Partial<PodSpec> = {
  os: { name: 'windows' },
  securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
};
const linux: Partial<PodSpec> = { securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } } };

/** Level, pod, the first version that thinks otherwise, and whether it lets the pod in. */
const CHANGES: [string, string, Partial<PodSpec>, number, boolean][] = [
  ['reserved ports', 'baseline', sysctl('net.ipv4.ip_local_reserved_ports'), 27, true],
  ['keepalive time', 'baseline', sysctl('net.ipv4.tcp_keepalive_time'), 29, true],
  ['receive buffers', 'baseline', sysctl('net.ipv4.tcp_rmem'), 32, true],
  ['container engines', 'baseline', { securityContext: { seLinuxOptions: { type: 'container_engine_t' } } }, 31, true],
  [
    'hosts of probes',
    'baseline',
    { containers: [{ name: 'c', image: 'i', livenessProbe: { tcpSocket: { port: 1, host: 'h' } } }] },
    34,
    false,
  ],
  ['seccomp', 'baseline', { securityContext: { seccompProfile: { type: 'Unconfined' } } }, 19, false],
  ['privilege escalation', 'restricted', linux, 8, false],
  ['pods for Windows', 'restricted', windows, 25, true],
];

describe('a namespace may ask for the standard of an older version', () => {
  for (const [name, level, spec, version, admits] of CHANGES) {
    test(`${name}: v1.${version} ${admits ? 'lets in' : 'refuses'} what v1.${version - 1} did not`, async () => {
      const at = async (minor: number): Promise<boolean> =>
        (await judge({ enforce: level, 'enforce-version': `v1.${minor}` }, spec)).refusal === '';
      assert.deepEqual([await at(version - 1), await at(version)], [!admits, admits]);
      assert.equal((await judge({ enforce: level }, spec)).refusal === '', admits, 'latest is the newest');
    });
  }

  test('the refusal names the version', async () => {
    const { refusal } = await judge({ enforce: 'baseline', 'enforce-version': 'v1.24' }, { hostPID: true });
    assert.equal(refusal, 'pods "p" is forbidden: violates PodSecurity "baseline:v1.24": host namespaces (hostPID=true)');
  });
});

test('the audit log hears of the policy and of what only it forbids', async () => {
  assert.deepEqual(await judge({ enforce: 'privileged', audit: 'baseline', 'audit-version': 'v1.30' }, { hostPID: true }), {
    refusal: '',
    notes: {
      'enforce-policy': 'privileged:latest',
      'audit-violations': 'would violate PodSecurity "baseline:v1.30": host namespaces (hostPID=true)',
    },
  });
});
