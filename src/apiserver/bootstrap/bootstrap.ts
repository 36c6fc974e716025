/**
 * The objects that a cluster begins with. On the first start they are all written side by side, so that the store commits them in one
 * group; on a later start they are compared in memory and nothing is written.
 */
import { isDeepStrictEqual } from 'node:util';
import type { KubeObject, ObjectWithMeta } from '../../api/meta.ts';
import type { ResourceInfo } from '../../api/schema/schema.ts';
import { StatusError } from '../../api/status.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { keepAggregatedRoles } from './aggregate-roles.ts';
import { clusterRoleBindings, clusterRoles } from './cluster-roles.ts';
import { flowSchemas, priorityLevels } from './flow-control.ts';
import { namespacedRoleBindings, namespacedRoles } from './namespaced-roles.ts';
import { RBAC_GROUP } from './policy.ts';
import { reconciledBinding, reconciledRole } from './reconcile-rbac.ts';
import type { MasterAddress } from './system-objects.ts';
import {
  SYSTEM_NAMESPACES,
  clusterInfo,
  defaultServiceCidr,
  extensionAuthentication,
  kubernetesEndpointSlice,
  kubernetesEndpoints,
  kubernetesService,
  legacyTokenTracking,
  systemNamespace,
  systemPriorityClasses,
} from './system-objects.ts';

export interface BootstrapOptions extends StoredObjects {
  master: MasterAddress;
  serviceCidrs: string[];
  /** PEM, for the ConfigMap extension-apiserver-authentication; left out when absent. */
  clientCa?: string;
  frontProxyCa?: string;
  frontProxyNames?: readonly string[];
  clock: Clock;
  log: Logger;
}

export interface Bootstrap {
  /** Resolves when everything that others need at once is there: namespaces, RBAC, priority classes, the Service `kubernetes`. */
  run(): Promise<void>;
  /** What nobody waits for: flow control objects, ConfigMaps for extension servers, joining nodes and token tracking. Call it once the server answers. */
  runDeferred(): Promise<void>;
  /** Restores the Service `kubernetes`, system namespaces and the rules of aggregated roles whenever they change. The returned function ends it. */
  keep(): () => void;
}

export function createBootstrap(options: BootstrapOptions): Bootstrap {
  const writer = new Writer(options);
  return {
    async run() {
      await Promise.all([
        ...ensureNamespaces(writer),
        ...clusterRoles().map((role) => writer.ensure(RBAC_GROUP, 'v1', 'clusterroles', role, reconciledRole)),
        ...clusterRoleBindings().map((binding) => writer.ensureBinding('clusterrolebindings', binding)),
        ...namespacedRoles().map((role) => writer.ensure(RBAC_GROUP, 'v1', 'roles', role, reconciledRole)),
        ...namespacedRoleBindings().map((binding) => writer.ensureBinding('rolebindings', binding)),
        ...systemPriorityClasses().map((object) => writer.ensure('scheduling.k8s.io', 'v1', 'priorityclasses', object)),
        writer.ensure('networking.k8s.io', 'v1', 'servicecidrs', defaultServiceCidr(options.serviceCidrs)),
        ...ensureMaster(writer, options),
      ]);
    },
    async runDeferred() {
      const { clientCa, frontProxyCa, frontProxyNames = ['front-proxy-client'] } = options;
      const group = 'flowcontrol.apiserver.k8s.io';
      await Promise.all([
        ...priorityLevels().map((object) => writer.ensure(group, 'v1', 'prioritylevelconfigurations', object)),
        ...flowSchemas().map((object) => writer.ensure(group, 'v1', 'flowschemas', object)),
        writer.ensure('', 'v1', 'configmaps', legacyTokenTracking(options.clock.now())),
        ...(clientCa
          ? [writer.ensure('', 'v1', 'configmaps', clusterInfo(clientCa, options.master), replacing(['data', 'kubeconfig']))]
          : []),
        ...(clientCa && frontProxyCa
          ? [writer.ensure('', 'v1', 'configmaps', extensionAuthentication(clientCa, frontProxyCa, frontProxyNames), replacing(['data']))]
          : []),
      ]);
    },
    keep: () => keepCurrent(options, writer),
  };
}

function ensureNamespaces(writer: Writer): Promise<void>[] {
  return SYSTEM_NAMESPACES.map((name) => writer.ensure('', 'v1', 'namespaces', systemNamespace(name)));
}

function ensureMaster(writer: Writer, { master }: BootstrapOptions): Promise<void>[] {
  return [
    writer.ensure('', 'v1', 'services', kubernetesService(master), replacing(['spec', 'ports'])),
    writer.ensure('', 'v1', 'endpoints', kubernetesEndpoints(master), replacing(['subsets'])),
    writer.ensure('discovery.k8s.io', 'v1', 'endpointslices', kubernetesEndpointSlice(master), replacing(['endpoints'], ['ports'])),
  ];
}

/** Looks at what concerns the Service `kubernetes` and the system namespaces, and nothing else. */
function keepCurrent(options: BootstrapOptions, writer: Writer): () => void {
  const again = (ensure: () => Promise<void>[]): void => {
    Promise.all(ensure()).catch((error: unknown) => options.log.warn('a system object could not be restored', { error }));
  };
  const master = [
    ['', 'services'],
    ['', 'endpoints'],
    ['discovery.k8s.io', 'endpointslices'],
  ] as const;
  const stops = master.map(([group, resource]) =>
    stored(options, group, 'v1', resource).subscribe(({ metadata }) => {
      if (metadata.namespace === 'default' && metadata.name === 'kubernetes') again(() => ensureMaster(writer, options));
    }),
  );
  const namespaces = stored(options, '', 'v1', 'namespaces').subscribe(({ metadata }, _previous, deleted) => {
    if (deleted && SYSTEM_NAMESPACES.includes(metadata.name!)) again(() => ensureNamespaces(writer));
  });
  const roles = keepAggregatedRoles(options);
  return () => {
    for (const stop of [...stops, namespaces, roles]) stop();
  };
}

/** The object to store instead of the live one, or undefined when that is good. */
type Reconcile<T> = (live: T, wanted: T) => T | undefined;

class Writer {
  readonly #options: BootstrapOptions;

  constructor(options: BootstrapOptions) {
    this.#options = options;
  }

  async ensure<T extends ObjectWithMeta>(
    group: string,
    version: string,
    resource: string,
    wanted: T,
    reconcile?: Reconcile<T>,
  ): Promise<void> {
    const store = stored<T>(this.#options, group, version, resource);
    const live = store.get(wanted.metadata.namespace ?? '', wanted.metadata.name!);
    if (!live) return this.#create(store.resource, wanted);
    const next = reconcile?.(live, wanted);
    if (next) await this.#options.source.update(store.resource, next as unknown as KubeObject);
  }

  async ensureBinding(
    resource: 'clusterrolebindings' | 'rolebindings',
    wanted: ReturnType<typeof namespacedRoleBindings>[number],
  ): Promise<void> {
    const store = stored<typeof wanted>(this.#options, RBAC_GROUP, 'v1', resource);
    const { namespace = '', name } = wanted.metadata;
    const live = store.get(namespace, name!);
    if (!live) return this.#create(store.resource, wanted);
    const next = reconciledBinding(live, wanted);
    if (!next) return;
    if (!next.recreate) {
      await this.#options.source.update(store.resource, next.binding as unknown as KubeObject);
      return;
    }
    await this.#options.source.delete(store.resource, namespace, name!);
    await this.#create(store.resource, wanted);
  }

  async #create(resource: ResourceInfo, object: ObjectWithMeta): Promise<void> {
    try {
      await this.#options.source.create(resource, object as unknown as KubeObject);
    } catch (error) {
      // Another API server on the same store was faster: what it wrote is what we wanted.
      if (!StatusError.is(error, 'AlreadyExists')) throw error;
      this.#options.log.debug('a default object was there already', { object: object.metadata.name, reason: errorMessage(error) });
    }
  }
}

/** Sets the fields at these paths to the wanted value where they differ, and leaves the rest as it is. */
function replacing<T extends ObjectWithMeta>(...paths: string[][]): Reconcile<T> {
  return (live, wanted) => {
    const differing = paths.filter((path) => !isDeepStrictEqual(at(live, path), at(wanted, path)));
    if (differing.length === 0) return undefined;
    return differing.reduce((object, path) => withValue(object as object, path, at(wanted, path)) as T, live);
  };
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce((part, key) => (part as Record<string, unknown> | undefined)?.[key], value);
}

function withValue(object: object, [key, ...rest]: readonly string[], value: unknown): object {
  const inner = (object as Record<string, unknown>)[key!];
  return { ...object, [key!]: rest.length === 0 ? value : withValue(inner ?? {}, rest, value) };
}
