import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ready, resource } from './good-objects.fixture.ts';
import { validateCreate } from './validate.ts';

interface Case {
  name: string;
  spec: object;
  told: string[];
}

function check(path: string, base: object, cases: readonly Case[]): void {
  for (const { name, spec, told } of cases) {
    test(name, () => {
      const info = resource(path);
      const object = ready(info, { metadata: { name: 'x', namespace: 'default' }, spec: { ...base, ...spec } });
      const found = validateCreate(info, object).map(({ field, message }) => `${field}: ${message}`);
      assert.deepEqual(
        found.map((text, index) => text.slice(0, told[index]?.length)),
        told,
      );
    });
  }
}

const containers = [{ name: 'a', image: 'b' }];
const QUALIFIED = 'name part must consist of alphanumeric characters';
describe('fields of pods', () => {
  check('/v1/pods', { containers }, [
    {
      name: 'host aliases',
      spec: { hostAliases: [{ ip: 'x', hostnames: ['A_b'] }] },
      told: [
        'spec.hostAliases[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        'spec.hostAliases[0].hostnames: Invalid value: "A_b": a lowercase RFC 1123 subdomain',
      ],
    },
    {
      name: 'DNS',
      spec: {
        dnsConfig: { nameservers: ['1.1.1.1', '1.1.1.2', '1.1.1.3', '1.1.1.4'], searches: ['_tcp.example.com', '.'], options: [{}] },
      },
      told: [
        'spec.dnsConfig.nameservers: Invalid value: ["1.1.1.1","1.1.1.2","1.1.1.3","1.1.1.4"]: must not have more than 3 nameservers',
        'spec.dnsConfig.options[0]: Required value: must not be empty',
      ],
    },
    {
      name: 'gates',
      spec: { readinessGates: [{ conditionType: 'a b' }], schedulingGates: [{ name: 'x' }, { name: 'x' }] },
      told: [`spec.readinessGates[0].conditionType: Invalid value: "a b": ${QUALIFIED}`, 'spec.schedulingGates[1]: Duplicate value: "x"'],
    },
    {
      name: 'ids and kernel settings',
      spec: {
        hostNetwork: true,
        securityContext: {
          runAsUser: -1,
          sysctls: [
            { name: 'net.a', value: '1' },
            { name: 'a..b', value: '1' },
          ],
        },
      },
      told: [
        'spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive',
        'spec.securityContext.sysctls[0].name: Invalid value: "net.a": may not be specified when \'hostNetwork\' is true',
        'spec.securityContext.sysctls[1].name: Invalid value: "a..b": must have at most 253 characters and match regex',
      ],
    },
    {
      name: 'two ways to share processes',
      spec: { shareProcessNamespace: true, hostPID: true },
      told: ['spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled'],
    },
    {
      name: 'systems',
      spec: { os: { name: 'plan9' } },
      told: ['spec.os.name: Unsupported value: "plan9": supported values: "linux", "windows"'],
    },
    {
      name: 'a container that may not rise, and may everything',
      spec: {
        containers: [
          {
            name: 'a',
            image: 'b',
            securityContext: {
              allowPrivilegeEscalation: false,
              capabilities: { add: ['CAP_SYS_ADMIN'] },
              seccompProfile: { type: 'Localhost' },
            },
          },
        ],
      },
      told: [
        'spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost',
        'spec.containers[0].securityContext: Invalid value: ',
      ],
    },
    {
      name: 'amounts in the environment',
      spec: {
        containers: [
          {
            name: 'a',
            image: 'b',
            env: [
              { name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
              { name: 'B', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '3' } } },
            ],
          },
        ],
      },
      told: [
        'spec.containers[0].env[1].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor\'s values 1m and 1 are supported with the cpu resource',
      ],
    },
  ]);
});

const only = "Forbidden: may only be used when `type` is 'LoadBalancer'";
describe('fields of Services', () => {
  check('/v1/services', { ports: [{ port: 80 }] }, [
    {
      name: 'what only load balancers have',
      spec: { loadBalancerSourceRanges: ['10.0.0.0/8'], loadBalancerClass: 'x', allocateLoadBalancerNodePorts: true },
      told: [`spec.LoadBalancerSourceRanges: ${only}`, `spec.loadBalancerClass: ${only}`, `spec.allocateLoadBalancerNodePorts: ${only}`],
    },
    {
      name: 'a port to check health at',
      spec: { type: 'LoadBalancer', healthCheckNodePort: 30_000 },
      told: [
        "spec.healthCheckNodePort: Invalid value: 30000: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      ],
    },
    {
      name: 'families',
      spec: { ipFamilyPolicy: 'Any', ipFamilies: ['IPv4', 'IPv4'] },
      told: [
        'spec.ipFamilyPolicy: Unsupported value: "Any": supported values: "SingleStack", "PreferDualStack", "RequireDualStack"',
        'spec.ipFamilies[1]: Duplicate value: "IPv4"',
      ],
    },
    {
      name: 'where traffic goes',
      spec: { trafficDistribution: 'Far' },
      told: ['spec.trafficDistribution: Unsupported value: "Far": supported values: "PreferClose", "PreferSameNode", "PreferSameZone"'],
    },
  ]);
});

describe('quotas and limits', () => {
  check('/v1/resourcequotas', {}, [
    {
      name: 'resources that a quota can count',
      spec: { hard: { foo: '1', pods: '1.5', 'count/jobs.batch': '1', 'requests.example.com/gpu': '1' } },
      told: [
        'spec.hard[foo]: Invalid value: "foo": must be a standard resource for quota',
        'spec.hard[pods]: Invalid value: "1500m": must be an integer',
      ],
    },
    {
      name: 'scopes that shut each other out',
      spec: { scopes: ['BestEffort', 'NotBestEffort'] },
      told: ['spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes'],
    },
    {
      name: 'a selector without values',
      spec: { scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In' }] } },
      told: [
        "spec.scopeSelector.matchExpressions[0].values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
      ],
    },
  ]);
  check('/v1/limitranges', {}, [
    {
      name: 'limits by type',
      spec: {
        limits: [
          { type: 'Pod', default: { cpu: '1' } },
          { type: 'PersistentVolumeClaim' },
          { type: 'Container', maxLimitRequestRatio: { cpu: '0.5' } },
        ],
      },
      told: [
        "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
        'spec.limits[1].limits: Required value: either minimum or maximum storage value is required, but neither was provided',
        'spec.limits[2].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1',
      ],
    },
  ]);
});
