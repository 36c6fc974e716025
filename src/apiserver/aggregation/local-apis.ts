import { groupVersion, type KubeObject } from '../../api/meta.ts';
import type { CustomPrinter, CustomRules, ResourceInfo } from '../../api/schema/schema.ts';
import { notFound, statusError } from '../../api/status.ts';
import { AGE, ageOf, NAME } from '../../api/table/columns.ts';
import type { RequestContext, ResourceLookup } from '../contract.ts';
import { valueView } from '../registry/convert.ts';
import { listOptions, matcher } from '../registry/list-options.ts';
import type { Result } from '../registry/registry.ts';
import { notServed } from '../registry/verbs.ts';
import type { LocalApi, LocalApis, LocalResource } from './contract.ts';

interface Announced {
  api: LocalApi;
  /** By the resource's name in the URL. */
  resources: ReadonlyMap<string, { info: ResourceInfo; source: LocalResource }>;
}

/** What parts of this process answer themselves: which there are, and their answers. */
export class LocalApiRegistry implements LocalApis {
  readonly #byVersion = new Map<string, Announced>();
  readonly #listeners = new Set<() => void>();
  readonly #revision: () => number;
  #generation = 0;

  /** `revision` is the store's: a list says what it is as of. */
  constructor(revision: () => number) {
    this.#revision = revision;
  }

  get generation(): number {
    return this.#generation;
  }

  add(api: LocalApi): () => void {
    const key = groupVersion(api);
    const resources = new Map(api.resources.map((source) => [source.info.resource, { info: withRules(source), source }]));
    const announced: Announced = { api, resources };
    this.#byVersion.set(key, announced);
    this.#announce();
    return () => {
      if (this.#byVersion.get(key) !== announced) return;
      this.#byVersion.delete(key);
      this.#announce();
    };
  }

  find(version: string): LocalApi | undefined {
    return this.#byVersion.get(version)?.api;
  }

  all(): readonly LocalApi[] {
    return [...this.#byVersion.values()].map(({ api }) => api);
  }

  infos(): readonly ResourceInfo[] {
    return [...this.#byVersion.values()].flatMap(({ resources }) => [...resources.values()].map(({ info }) => info));
  }

  info(group: string, version: string, resource: string): ResourceInfo | undefined {
    return this.#byVersion.get(groupVersion({ group, version }))?.resources.get(resource)?.info;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The answer to a request for one of these; undefined: it is not ours. Throws StatusError. */
  answer(context: RequestContext): Promise<Result> | undefined {
    if (this.#byVersion.size === 0 || !context.info.isResourceRequest) return undefined;
    const announced = this.#byVersion.get(groupVersion(context.info));
    if (!announced) return undefined;
    const found = announced.resources.get(context.info.resource);
    if (!found || context.info.subresource !== '') throw notServed();
    return this.#read(context, found.info, found.source);
  }

  async #read({ info: asked, query, signal }: RequestContext, info: ResourceInfo, source: LocalResource): Promise<Result> {
    if (!info.verbs.includes(asked.verb)) throw notAllowed();
    const namespace = info.namespaced ? asked.namespace : '';
    if (asked.verb === 'get') {
      const object = await source.get(namespace, asked.name, signal);
      if (!object) throw notFound(info.resource, info.group, asked.name);
      return { kind: 'object', status: 200, info, view: valueView(typed(info, object)) };
    }
    const match = matcher(listOptions({ info }, query));
    const objects = await source.list(namespace, signal);
    const items = (match ? objects.filter((object) => match(object)) : objects).map((object) => valueView(typed(info, object)));
    return { kind: 'list', info, items, revision: this.#revision() };
  }

  #announce(): void {
    this.#generation++;
    for (const listener of this.#listeners) listener();
  }
}

/** Stored resources and these in one list: what discovery and OpenAPI show. */
export function withLocalApis(stored: ResourceLookup, local: LocalApiRegistry): ResourceLookup {
  let generation = -1;
  let all: readonly ResourceInfo[] = [];
  const current = (): number => stored.generation + local.generation;
  return {
    get generation() {
      return current();
    },
    find: (group, version, resource) => stored.find(group, version, resource) ?? local.info(group, version, resource),
    all: () => {
      if (generation !== current()) {
        generation = current();
        all = [...stored.all(), ...local.infos()];
      }
      return all;
    },
  };
}

const NAME_AND_AGE: CustomPrinter = {
  columns: [NAME, AGE],
  cells: (object, now) => [object.metadata.name ?? '', ageOf(object, now)],
};

function withRules({ info, printer = NAME_AND_AGE }: LocalResource): ResourceInfo {
  const custom: CustomRules = {
    key: groupVersion(info),
    validate: () => [],
    fromStorage: (object) => object,
    toStorage: (object) => object,
    printer,
  };
  return { ...info, custom };
}

function typed(info: ResourceInfo, object: KubeObject): KubeObject {
  const { kind: _kind, apiVersion: _version, metadata, ...rest } = object;
  return { kind: info.kind, apiVersion: groupVersion(info), metadata, ...rest };
}

function notAllowed(): Error {
  return statusError('MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}
