import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { namespacesUnavailable } from '../../../test/fixtures/network-namespaces.ts';
import { seededRng } from '../../lib/random.ts';
import type { Family, Frontend, Protocol } from '../frontends.ts';
import { packetFilter } from '../packet-filter.ts';
import { nftablesBackend } from './backend.ts';

const name = `rp-${process.pid}-accepted`;

describe('the kernel takes every step', { skip: namespacesUnavailable() ?? false }, () => {
  before(() => void execFileSync('ip', ['netns', 'add', name]));
  after(() => void execFileSync('ip', ['netns', 'del', name]));

  test('of random changes, each on top of the last, for both families', async () => {
    const filter = packetFilter({ prefix: ['ip', 'netns', 'exec', name] });
    const scripts: string[] = [];
    const runner: typeof filter = {
      ...filter,
      run: (command, args, input, signal) => (scripts.push(input), filter.run(command, args, input, signal)),
    };
    const backend = nftablesBackend({ runner, families: ['ip', 'ip6'], podCidrs: { ip: '10.244.0.0/16', ip6: 'fd01::/64' } });
    const rng = seededRng(42);
    for (let step = 0; step < 25; step++) {
      for (let change = 0; change < 4; change++) {
        const index = Math.floor(rng.next() * 8);
        backend.set(
          `default/s${index}`,
          rng.next() < 0.2 ? [] : [...frontends('ip', index, rng.next), ...frontends('ip6', index, rng.next)],
        );
      }
      await backend.apply(AbortSignal.timeout(10_000));
    }
    assert.equal(
      scripts.filter((script) => script.includes('delete table')).length,
      2,
      'whole at first and once more for a Service with many endpoints, by changes otherwise',
    );
    for (let index = 0; index < 8; index++) backend.set(`default/s${index}`, []);
    await backend.apply(AbortSignal.timeout(10_000));
    const left = execFileSync('ip', ['netns', 'exec', name, 'nft', 'list', 'ruleset'], { encoding: 'utf8' });
    assert.doesNotMatch(left, /elements|affinity-|endpoint-[0-9a-f]{16}/);
    await backend.cleanup();
    assert.equal(execFileSync('ip', ['netns', 'exec', name, 'nft', 'list', 'ruleset'], { encoding: 'utf8' }), '');
  });
});

function frontends(family: Family, index: number, next: () => number): Frontend[] {
  const address = (tail: number): string => (family === 'ip' ? `10.244.0.${tail}` : `fd01::${tail.toString(16)}`);
  const targets = Array.from({ length: Math.floor(next() * 20) }, (_, i) => ({
    ip: address(1 + Math.floor(next() * 40) + 40 * (i % 5)),
    port: 8080 + i,
  }));
  const protocol: Protocol = next() < 0.5 ? 'tcp' : next() < 0.5 ? 'udp' : 'sctp';
  const common = {
    family,
    protocol,
    refusal: next() < 0.5 ? 'drop' : 'reject',
    servicePort: `default/s${index}:`,
    ...(next() < 0.3 ? { affinitySeconds: 60 } : {}),
  } as const;
  const range = family === 'ip' ? '192.0.2.0/24' : '2001:db8::/32';
  return [
    {
      ...common,
      ip: family === 'ip' ? `10.96.0.${index}` : `fd00::${index}`,
      port: 80,
      clusterIp: true,
      masquerade: 'off-cluster',
      targets,
    },
    {
      ...common,
      port: 30_000 + index,
      clusterIp: false,
      masquerade: next() < 0.5 ? 'always' : 'never',
      targets: targets.slice(0, 3),
      inCluster: targets,
    },
    {
      ...common,
      ip: family === 'ip' ? '203.0.113.1' : '2001:db8::1',
      port: 80 + index,
      clusterIp: false,
      masquerade: 'always',
      targets,
      sourceRanges: [range],
    },
  ];
}
