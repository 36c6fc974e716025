/** Golden files are renewed with `node --test --test-update-snapshots src/proxy/nftables/render.test.ts`; read the difference before committing it. */
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { itemsOf } from './items.ts';
import type { Frontend } from '../frontends.ts';
import { renderChanges, renderCleanup, renderTable } from './render.ts';
import { RuleTable } from './rule-table.ts';

const POD_CIDR = '10.244.0.0/16';
const web = (extra: Partial<Frontend> = {}): Frontend => ({
  family: 'ip',
  ip: '10.96.0.1',
  port: 80,
  protocol: 'tcp',
  clusterIp: true,
  masquerade: 'off-cluster',
  targets: [
    { ip: '10.244.0.2', port: 8080 },
    { ip: '10.244.0.3', port: 8080 },
  ],
  refusal: 'reject',
  servicePort: 'shop/web:http',
  ...extra,
});
const { ip: _, ...withoutIp } = web({ clusterIp: false, port: 30_080, masquerade: 'always' });

const golden = (t: TestContext, name: string, text: string): void =>
  t.assert.fileSnapshot(text, join(import.meta.dirname, 'testdata', `${name}.nft`), { serializers: [(value: unknown) => String(value)] });

const steps: [name: string, frontends: Frontend[]][] = [
  ['1-cluster-ip', [web()]],
  ['2-third-endpoint', [web({ targets: [...web().targets, { ip: '10.244.0.4', port: 8080 }] })]],
  ['3-no-endpoints', [web({ targets: [] })]],
  ['4-node-port-local', [web(), { ...withoutIp, masquerade: 'never', targets: [web().targets[0]!], inCluster: web().targets }]],
  ['5-affinity', [web({ affinitySeconds: 60 })]],
  ['6-source-ranges', [web({ ip: '203.0.113.1', clusterIp: false, masquerade: 'always', sourceRanges: ['192.0.2.0/24'] })]],
  ['7-gone', []],
];

describe('nftables scripts', () => {
  test('the empty table', (t) => golden(t, 'table-ip', renderTable({ family: 'ip', podCidr: POD_CIDR, spreadLimit: 2 }, [])));
  test('the empty table for IPv6', (t) => golden(t, 'table-ip6', renderTable({ family: 'ip6', spreadLimit: 1 }, [])));
  test('clean-up', (t) => golden(t, 'cleanup', renderCleanup('ip')));

  const table = new RuleTable();
  for (const [name, frontends] of steps) {
    test(`from one state to the next: ${name}`, (t) => {
      table.replace('shop/web', itemsOf(frontends, { podCidr: POD_CIDR }));
      golden(t, `change-${name}`, renderChanges('ip', table.changes()));
      table.commit();
    });
  }
});
