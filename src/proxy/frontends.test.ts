import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EndpointConditions, EndpointSlice, Service, ServiceSpec } from '../api/types.gen.ts';
import { type Frontend, frontendsOf } from './frontends.ts';

const service = (spec: ServiceSpec, extra: Partial<Service> = {}): Service => ({
  metadata: { name: 'web', namespace: 'shop', ...extra.metadata },
  spec: {
    clusterIP: '10.96.0.1',
    clusterIPs: ['10.96.0.1'],
    ports: [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30080 }],
    ...spec,
  },
  ...(extra.status ? { status: extra.status } : {}),
});
const slice = (
  endpoints: [ip: string, node: string, conditions?: EndpointConditions][],
  extra: Partial<EndpointSlice> = {},
): EndpointSlice => ({
  metadata: {},
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  endpoints: endpoints.map(([ip, nodeName, conditions]) => ({ addresses: [ip], nodeName, ...(conditions ? { conditions } : {}) })),
  ...extra,
});
const HERE_AND_THERE = [
  slice([
    ['10.244.0.2', 'here'],
    ['10.244.1.3', 'there'],
  ]),
];

const targets = (list: Frontend['targets']): string => list.map(({ ip, port }) => `${ip}:${port}`).join(' ');
const line = (each: Frontend): string =>
  [
    `${each.ip ?? 'node'}:${each.port}/${each.protocol} ${each.masquerade} → ${targets(each.targets) || each.refusal}`,
    each.inCluster ? ` (cluster: ${targets(each.inCluster)})` : '',
    each.affinitySeconds === undefined ? '' : ` sticky ${each.affinitySeconds}`,
    each.sourceRanges ? ` from ${each.sourceRanges.join(',')}` : '',
  ].join('');

const BOTH = '10.244.0.2:8080 10.244.1.3:8080';
const cases: [name: string, service: Service, slices: EndpointSlice[], expected: string[]][] = [
  [
    'ClusterIP and NodePort',
    service({ type: 'NodePort' }),
    HERE_AND_THERE,
    [`10.96.0.1:80/tcp off-cluster → ${BOTH}`, `node:30080/tcp always → ${BOTH}`],
  ],
  ['headless', service({ clusterIP: 'None', clusterIPs: ['None'] }), HERE_AND_THERE, []],
  ['ExternalName', service({ type: 'ExternalName', externalName: 'example.org', clusterIP: '', clusterIPs: [] }), [], []],
  [
    'served by another proxy',
    service({}, { metadata: { labels: { 'service.kubernetes.io/service-proxy-name': 'other' } } }),
    HERE_AND_THERE,
    [],
  ],
  ['without endpoints', service({ ports: [{ port: 80 }] }), [], ['10.96.0.1:80/tcp off-cluster → reject']],
  [
    'internal traffic stays here',
    service({ ports: [{ name: 'http', port: 80 }], internalTrafficPolicy: 'Local' }),
    HERE_AND_THERE,
    ['10.96.0.1:80/tcp off-cluster → 10.244.0.2:8080'],
  ],
  [
    'internal traffic with nobody here',
    service({ ports: [{ name: 'http', port: 80 }], internalTrafficPolicy: 'Local' }),
    [slice([['10.244.1.3', 'there']])],
    ['10.96.0.1:80/tcp off-cluster → drop'],
  ],
  [
    'external traffic stays here',
    service({ type: 'NodePort', externalTrafficPolicy: 'Local' }),
    HERE_AND_THERE,
    [`10.96.0.1:80/tcp off-cluster → ${BOTH}`, `node:30080/tcp never → 10.244.0.2:8080 (cluster: ${BOTH})`],
  ],
  [
    'external IPs and a load balancer',
    service(
      {
        type: 'LoadBalancer',
        ports: [{ name: 'http', port: 80 }],
        externalIPs: ['203.0.113.1', '2001:db8::1'],
        loadBalancerSourceRanges: ['192.0.2.0/24', '2001:db8::/32'],
      },
      {
        status: { loadBalancer: { ingress: [{ ip: '203.0.113.9' }, { ip: '203.0.113.10', ipMode: 'Proxy' }, { hostname: 'lb.example' }] } },
      },
    ),
    [slice([['10.244.0.2', 'here']])],
    [
      '10.96.0.1:80/tcp off-cluster → 10.244.0.2:8080',
      '203.0.113.1:80/tcp always → 10.244.0.2:8080',
      '203.0.113.9:80/tcp always → 10.244.0.2:8080 from 192.0.2.0/24',
    ],
  ],
  [
    'session affinity',
    service({
      ports: [{ name: 'http', port: 80 }],
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
    }),
    HERE_AND_THERE,
    [`10.96.0.1:80/tcp off-cluster → ${BOTH} sticky 60`],
  ],
  [
    'those that are not ready are left out',
    service({ ports: [{ name: 'http', port: 80 }] }),
    [
      slice([
        ['10.244.0.2', 'here', { ready: false }],
        ['10.244.0.3', 'here', { ready: true }],
      ]),
    ],
    ['10.96.0.1:80/tcp off-cluster → 10.244.0.3:8080'],
  ],
  [
    'those that terminate and serve help out where nobody is ready',
    service({ ports: [{ name: 'http', port: 80 }] }),
    [
      slice([
        ['10.244.0.2', 'here', { ready: false, serving: true, terminating: true }],
        ['10.244.0.3', 'here', { ready: false, serving: false, terminating: true }],
      ]),
    ],
    ['10.96.0.1:80/tcp off-cluster → 10.244.0.2:8080'],
  ],
  [
    'dual stack: each family has its own',
    service({ clusterIPs: ['10.96.0.1', 'fd00::1'], ports: [{ name: 'http', port: 80 }] }),
    [slice([['10.244.0.2', 'here']]), slice([['fd01::2', 'here']], { addressType: 'IPv6' })],
    ['10.96.0.1:80/tcp off-cluster → 10.244.0.2:8080', 'fd00::1:80/tcp off-cluster → fd01::2:8080'],
  ],
  [
    'ports are matched by name and protocol',
    service({ ports: [{ name: 'http', port: 80, protocol: 'UDP' }] }),
    HERE_AND_THERE,
    ['10.96.0.1:80/udp off-cluster → reject'],
  ],
  [
    'an endpoint in two slices counts once',
    service({ ports: [{ name: 'http', port: 80 }] }),
    [slice([['10.244.0.2', 'here']]), slice([['10.244.0.2', 'here']])],
    ['10.96.0.1:80/tcp off-cluster → 10.244.0.2:8080'],
  ],
];

describe('frontendsOf', () => {
  for (const [name, given, slices, expected] of cases) {
    test(name, () => assert.deepEqual(frontendsOf(given, slices, { nodeName: 'here' }).map(line), expected));
  }
});
