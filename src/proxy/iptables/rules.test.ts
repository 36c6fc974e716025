/** The golden file is renewed with `node --test --test-update-snapshots src/proxy/iptables/rules.test.ts`. */
import { join } from 'node:path';
import { test } from 'node:test';
import type { Frontend } from '../frontends.ts';
import { chainsFor } from './rules.ts';

test('frontends as chains', (t) => {
  const targets = [
    { ip: '10.244.0.2', port: 8080 },
    { ip: '10.244.0.3', port: 8080 },
  ];
  const common = { family: 'ip', protocol: 'tcp', refusal: 'reject', servicePort: 'shop/web:http' } as const;
  const frontends: Frontend[] = [
    {
      ...common,
      servicePort: 'shop/sticky:http',
      ip: '10.96.0.1',
      port: 80,
      clusterIp: true,
      masquerade: 'off-cluster',
      targets,
      affinitySeconds: 60,
    },
    { ...common, ip: '203.0.113.1', port: 80, clusterIp: false, masquerade: 'always', targets, sourceRanges: ['192.0.2.0/24'] },
    { ...common, port: 30_080, clusterIp: false, masquerade: 'never', targets: targets.slice(0, 1), inCluster: targets },
    { ...common, ip: '10.96.0.2', port: 53, protocol: 'udp', clusterIp: true, masquerade: 'off-cluster', targets: [] },
  ];
  const { nat, filter } = chainsFor(frontends, { family: 'ip', podCidr: '10.244.0.0/16' });
  const text = [...nat, ...filter].map(([chain, rules]) => `${chain}\n${rules.map((rule) => `    ${rule}\n`).join('')}`).join('');
  t.assert.fileSnapshot(text, join(import.meta.dirname, 'testdata', 'chains.txt'), { serializers: [(value: unknown) => String(value)] });
});
