/**
 * Parts of the node that run while their addon is enabled: they listen on the node, and the Service of the addon that names them
 * (annotation `rockpool.dev/component`) is given an EndpointSlice that leads there.
 */
import type { EndpointSlice, Service } from '../api/types.gen.ts';
import type { Client } from '../client/client.ts';
import { ENDPOINT_SLICES, SERVICES } from '../client/resources.ts';
import type { Component } from '../lib/component.ts';
import type { Logger } from '../lib/log.ts';

export const COMPONENT_ANNOTATION = 'rockpool.dev/component';
const ADDON_LABEL = 'rockpool.dev/addon';
const FIELD_MANAGER = 'rockpool-node';

/** A component that listens, and where, once it has started. */
export interface ListeningComponent {
  component: Component;
  /** As pods reach it. */
  address: string;
  /** By the names that the Service gives them. */
  ports(): Readonly<Record<string, number>>;
}

/** Makes each component when it is first wanted; by the name in addon.yaml. */
export type ComponentFactories = Readonly<Record<string, () => Promise<ListeningComponent>>>;

export interface ComponentSwitchOptions {
  factories: ComponentFactories;
  client: Client;
  nodeName: string;
  log: Logger;
}

export interface ComponentSwitch {
  /** Starts what is wanted and does not run, stops what runs and is not wanted. Throws when one cannot start; the others are seen to all the same. */
  set(wanted: ReadonlySet<string>, signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

export function componentSwitch(options: ComponentSwitchOptions): ComponentSwitch {
  const running = new Map<string, ListeningComponent>();
  const stopOne = async (name: string): Promise<void> => {
    const { component } = running.get(name)!;
    running.delete(name);
    await component.stop();
  };
  return {
    set: async (wanted, signal) => {
      for (const name of [...running.keys()].filter((each) => !wanted.has(each))) await stopOne(name);
      const results = await Promise.allSettled([...wanted].map((name) => ensure(name, running, options, signal)));
      const failed = results.find((result) => result.status === 'rejected');
      if (failed) throw failed.reason;
    },
    stop: async () => {
      await Promise.all([...running.keys()].map(stopOne));
    },
  };
}

async function ensure(
  name: string,
  running: Map<string, ListeningComponent>,
  options: ComponentSwitchOptions,
  signal: AbortSignal,
): Promise<void> {
  let part = running.get(name);
  if (!part) {
    const make = options.factories[name];
    if (!make) throw new Error(`an addon names the component "${name}"; this node has ${Object.keys(options.factories).join(', ')}`);
    part = await make();
    await part.component.start(signal);
    running.set(name, part);
    options.log.info('component started', { component: name });
  }
  await publish(name, part, options);
}

/** Gives every Service of an addon that names the component its endpoint on this node. */
async function publish(name: string, part: ListeningComponent, { client, nodeName }: ComponentSwitchOptions): Promise<void> {
  const { items } = await client.resource(SERVICES).list({ labelSelector: ADDON_LABEL });
  const services = items.filter(({ metadata }) => metadata.annotations?.[COMPONENT_ANNOTATION] === name);
  await Promise.all(
    services.map((service) =>
      client
        .resource(ENDPOINT_SLICES, service.metadata.namespace)
        .apply(sliceFor(service, { address: part.address, nodeName, ports: part.ports() }), { fieldManager: FIELD_MANAGER, force: true }),
    ),
  );
}

/** The slice goes with the Service: its owner. */
function sliceFor(
  { metadata, spec }: Service,
  { address, nodeName, ports }: { address: string; nodeName: string; ports: Readonly<Record<string, number>> },
): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${metadata.name}-node`,
      namespace: metadata.namespace,
      labels: { 'kubernetes.io/service-name': metadata.name!, 'endpointslice.kubernetes.io/managed-by': FIELD_MANAGER },
      ownerReferences: [
        { apiVersion: 'v1', kind: 'Service', name: metadata.name!, uid: metadata.uid!, controller: true, blockOwnerDeletion: true },
      ],
    },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], nodeName, conditions: { ready: true, serving: true, terminating: false } }],
    ports: (spec?.ports ?? [])
      .filter((port) => ports[port.name ?? ''] !== undefined)
      .map((port) => ({ name: port.name ?? '', port: ports[port.name ?? '']!, protocol: port.protocol ?? 'TCP' })),
  };
}
