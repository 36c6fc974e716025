/** The parts of the node that addons switch on, by the names in their addon.yaml. Each is loaded when it is first wanted. */
import { connect } from 'node:net';
import { join } from 'node:path';
import type { ResourceInfo } from '../api/schema/schema.ts';
import type { LocalApis } from '../apiserver/aggregation/contract.ts';
import type { Resources } from '../apiserver/resources.ts';
import { serviceAccountTransports, serviceAccountUser } from '../client/transports/service-account.ts';
import type { SimNetwork } from '../kubelet/runtime/sim/network.ts';
import type { Component } from '../lib/component.ts';
import type { NodeConfig } from '../lib/node-config.ts';
import type { ComponentFactories, ListeningComponent } from './components.ts';
import { readPem } from './config.ts';
import { IDENTITIES } from './identities.ts';
import type { ContextFor, NodeTools } from './run.ts';

/** Above 1024 and out of the way: Services lead to it from port 53. */
const DNS_PORT = 10_053;
const METRICS_PORT = 9153;

export interface Surroundings {
  config: NodeConfig;
  tools: NodeTools;
  contextFor: ContextFor;
  /** Where a component announces a part of the API that it answers itself. */
  localApis: LocalApis;
  /** What the API server stores and serves: an addon may add versions to it. */
  resources: Pick<Resources, 'replace'>;
  /** Where simulated pods listen. */
  network?: SimNetwork;
}

export function componentFactories(surroundings: Surroundings): ComponentFactories {
  const {
    config,
    tools: { log },
    contextFor,
    network,
  } = surroundings;
  const host = componentHost(config);
  return {
    'metrics-server': () => metricsServer(surroundings),
    dns: async () => {
      const { createDnsServer } = await import('../dns/server.ts');
      const { corefileFromConfigMap } = await import('../dns/corefile-source.ts');
      const { defaultCorefile } = await import('../dns/default-corefile.ts');
      const context = contextFor(serviceAccountUser('coredns'), 'dns');
      const corefile = corefileFromConfigMap(context.client, defaultCorefile(config.clusterDomain));
      const component = createDnsServer({ ...context, corefile, listen: { host, port: DNS_PORT } });
      return {
        component,
        address: host,
        ports: () => ({ dns: component.ports[0]!, 'dns-tcp': component.ports[0]!, metrics: METRICS_PORT }),
      };
    },
    'storage-provisioner': async () => {
      const { createHostPathProvisioner } = await import('../controllers/hostpathprovisioner/host-path-provisioner.ts');
      const context = contextFor(serviceAccountUser('storage-provisioner'), 'storage-provisioner');
      return silent('storage-provisioner', createHostPathProvisioner(context, { baseFolder: join(config.dataDir, 'volumes') }));
    },
    'legacy-apis': async () => {
      const { legacyResources } = await import('../api/legacy/resources.ts');
      return silent('legacy-apis', [servedResources(surroundings.resources, legacyResources())]);
    },
    ingress: async () => {
      const { createIngressController } = await import('../ingress/controller.ts');
      const context = contextFor(serviceAccountUser('ingress-controller', 'rockpool-ingress'), 'ingress');
      const { hosts, httpPort, httpsPort } = ingressListen(config, host);
      const component = createIngressController({
        context,
        listen: { hosts, httpPort, httpsPort },
        addresses: [{ ip: config.apiserver.advertiseAddress }],
        ...(network ? { connect: (ip, at) => connect(network.resolve(ip, at)) } : {}),
      });
      return { component, address: host, ports: () => component.ports };
    },
    dashboard: async () => {
      const { createDashboard } = await import('../dashboard/server.ts');
      const server = `https://127.0.0.1:${config.apiserver.port}`;
      const assetsDir = join(import.meta.dirname, 'dashboard');
      const component = createDashboard({
        server,
        ca: readPem(config.pki, 'caCert'),
        assetsDir,
        listen: { host, port: 0 },
        log: log.with({ component: 'dashboard' }),
      });
      return { component, address: host, ports: () => ({ http: component.port() }) };
    },
  };
}

/** With an identity of its own on both ways: among the objects by loopback, to the kubelets over https. */
async function metricsServer({ config, tools: { clock }, contextFor, localApis }: Surroundings): Promise<ListeningComponent> {
  const name = 'metrics-server';
  const { createMetricsServer } = await import('../kubelet/metrics-server/metrics-server.ts');
  const { httpsTransport } = await import('../client/transports/https.ts');
  const base = httpsTransport({ server: `https://127.0.0.1:${config.apiserver.port}`, ca: readPem(config.pki, 'caCert'), clock });
  const { client, log } = contextFor(serviceAccountUser(name), name);
  const proxy = serviceAccountTransports({ client: contextFor(IDENTITIES.controllers, name).client, base: base.transport, clock })(name);
  const server = createMetricsServer({ client, proxy, announce: (api) => localApis.add(api), clock, log });
  return silent(name, [server, { name: 'metrics-server-connections', start: () => Promise.resolve(), stop: () => base.close() }]);
}

/**
 * In a node container the ingress has ports 80 and 443 to itself. On sim it listens beside the pods on free ports, which its NodePorts lead to: those
 * two are the laptop's own, and may be taken or need privileges.
 */
function ingressListen({ runtime }: NodeConfig, host: string): { hosts: readonly string[]; httpPort: number; httpsPort: number } {
  return runtime === 'sim' ? { hosts: [host], httpPort: 0, httpsPort: 0 } : { hosts: ['0.0.0.0'], httpPort: 80, httpsPort: 443 };
}

/** Where components listen: the node's address; on sim, where the node has none of its own, the first address of the pods' range. */
function componentHost({ runtime, podCidr, apiserver }: NodeConfig): string {
  if (runtime !== 'sim' || !podCidr.startsWith('127.') || process.platform !== 'linux') return apiserver.advertiseAddress;
  const [a, b, c] = podCidr.split('.');
  return `${a}.${b}.${c}.1`;
}

/** The API server serves these too, as long as the component runs. */
function servedResources(resources: Surroundings['resources'], infos: readonly ResourceInfo[]): Component {
  return {
    name: 'served-resources',
    start: async () => resources.replace([], infos),
    stop: async () => resources.replace(infos, []),
  };
}

/** Components that serve no port, as one. */
function silent(name: string, parts: readonly Component[]): ListeningComponent {
  const component: Component = {
    name,
    start: async (signal) => void (await Promise.all(parts.map((part) => part.start(signal)))),
    stop: async () => void (await Promise.all(parts.map((part) => part.stop()))),
  };
  return { component, address: '', ports: () => ({}) };
}
