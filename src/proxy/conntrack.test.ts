import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { staleFlows } from './conntrack.ts';
import type { Frontend } from './frontends.ts';

const dns = (ips: string[], extra: Partial<Frontend> = {}): Frontend => ({
  family: 'ip',
  ip: '10.96.0.10',
  port: 53,
  protocol: 'udp',
  clusterIp: true,
  masquerade: 'off-cluster',
  targets: ips.map((ip) => ({ ip, port: 53 })),
  refusal: 'reject',
  servicePort: 'kube-system/kube-dns:dns',
  ...extra,
});
const { ip: _, ...nodePort } = dns(['10.244.0.2'], { port: 30_053 });

const cases: [name: string, before: Frontend[], after: Frontend[], expected: string[]][] = [
  ['nothing changed', [dns(['10.244.0.2'])], [dns(['10.244.0.2'])], []],
  ['one more endpoint', [dns(['10.244.0.2'])], [dns(['10.244.0.2', '10.244.0.3'])], []],
  [
    'an endpoint is gone',
    [dns(['10.244.0.2', '10.244.0.3'])],
    [dns(['10.244.0.3'])],
    ['-D -f ipv4 -p udp --orig-dst 10.96.0.10 --orig-port-dst 53 --dst-nat 10.244.0.2'],
  ],
  ['the Service is gone', [dns(['10.244.0.2'])], [], ['-D -f ipv4 -p udp --orig-dst 10.96.0.10 --orig-port-dst 53 --dst-nat 10.244.0.2']],
  ['the first endpoint', [dns([])], [dns(['10.244.0.2'])], ['-D -f ipv4 -p udp --orig-dst 10.96.0.10 --orig-port-dst 53']],
  ['a new Service', [], [dns(['10.244.0.2'])], ['-D -f ipv4 -p udp --orig-dst 10.96.0.10 --orig-port-dst 53']],
  ['a new Service without endpoints', [], [dns([])], []],
  ['a node port', [nodePort], [{ ...nodePort, targets: [] }], ['-D -f ipv4 -p udp --orig-port-dst 30053 --dst-nat 10.244.0.2']],
  ['TCP', [dns(['10.244.0.2'], { protocol: 'tcp' })], [], []],
];

describe('staleFlows', () => {
  for (const [name, before, after, expected] of cases) {
    test(name, () =>
      assert.deepEqual(
        staleFlows(before, after).map((args) => args.join(' ')),
        expected,
      ),
    );
  }
});
