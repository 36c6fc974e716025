/** Parts of the API that are answered by somebody else: by another part of this process, or by an API server behind a Service. */
import type { KubeObject } from '../../api/meta.ts';
import type { CustomPrinter, ResourceInfo } from '../../api/schema/schema.ts';

/**
 * A group version whose objects are not stored but told by a part of this process (metrics.k8s.io). The server does the rest: authentication,
 * RBAC, selectors, Tables and YAML, discovery, OpenAPI, and the APIService object, unless there is one that names the group version already.
 */
export interface LocalApi {
  group: string;
  version: string;
  /** As in an APIService: 1 to 20000, larger before smaller. */
  groupPriorityMinimum: number;
  /** 1 to 1000. */
  versionPriority: number;
  resources: readonly LocalResource[];
}

/** One resource to get and to list. What is shown is shared: it must not change afterwards. */
export interface LocalResource {
  /** `verbs` are among get and list, `storagePrefix` is ''. */
  info: Omit<ResourceInfo, 'custom'>;
  /** What kubectl shows; name and age unless given. */
  printer?: CustomPrinter;
  /** One object; undefined: there is none of this name. `namespace` is '' for what is cluster-scoped. May throw StatusError. */
  get(namespace: string, name: string, signal: AbortSignal): Promise<KubeObject | undefined>;
  /** All of a namespace, or, for '', all. The server applies selectors. May throw StatusError. */
  list(namespace: string, signal: AbortSignal): Promise<readonly KubeObject[]>;
}

/** Where parts of this process announce what they answer. */
export interface LocalApis {
  /** Served from now on, until the returned function is called. One that is announced again replaces the earlier. */
  add(api: LocalApi): () => void;
}
