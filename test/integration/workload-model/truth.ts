/** What the store holds, in the same step in which it is written, and what each write changed: the judge's view, which no cache delays. */
import type { KubeObject } from '../../../src/api/meta.ts';
import type { StorageEvent } from '../../../src/storage/storage.ts';
import type {
  ControllerRevision,
  DaemonSet,
  Deployment,
  Job,
  Node,
  Pod,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../../../src/api/types.gen.ts';

interface Kinds {
  pods: Pod;
  replicasets: ReplicaSet;
  deployments: Deployment;
  statefulsets: StatefulSet;
  daemonsets: DaemonSet;
  jobs: Job;
  /** ReplicationControllers, by upstream's folder. */
  controllers: ReplicationController;
  controllerrevisions: ControllerRevision;
  minions: Node;
}

export type Kind = keyof Kinds;

export const OWNERS = ['deployments', 'replicasets', 'controllers', 'statefulsets', 'daemonsets', 'jobs'] as const;
export type OwnerKind = (typeof OWNERS)[number];

/** One of the fields is missing at an object's beginning or end. */
export interface Change<K extends Kind = Kind> {
  kind: K;
  before?: Kinds[K];
  after?: Kinds[K];
}

export class Truth {
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #listeners: ((change: Change) => void)[] = [];

  readonly note = ({ type, key, value }: StorageEvent): void => {
    const [, , kind, ...name] = key.split('/');
    let objects = this.#objects.get(kind!);
    if (!objects) this.#objects.set(kind!, (objects = new Map()));
    const id = name.join('/');
    const before = objects.get(id);
    const after = type === 'put' ? (JSON.parse(Buffer.from(value).toString()) as KubeObject) : undefined;
    if (after) objects.set(id, after);
    else objects.delete(id);
    const change = { kind, ...(before ? { before } : {}), ...(after ? { after } : {}) } as unknown as Change;
    for (const listener of this.#listeners) listener(change);
  };

  listen(listener: (change: Change) => void): void {
    this.#listeners.push(listener);
  }

  /** In the order of their names. */
  all<K extends Kind>(kind: K): Kinds[K][] {
    const objects = [...(this.#objects.get(kind) ?? [])].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return objects.map(([, object]) => object as unknown as Kinds[K]);
  }

  get<K extends Kind>(kind: K, name: string): Kinds[K] | undefined {
    const objects = this.#objects.get(kind);
    return (objects?.get(`default/${name}`) ?? objects?.get(name)) as Kinds[K] | undefined;
  }

  /** Objects of one kind that the owner with this uid controls. */
  controlledBy<K extends Kind>(kind: K, uid: string): Kinds[K][] {
    return this.all(kind).filter((object) => controllerUid(object) === uid);
  }
}

export function controllerUid({ metadata }: { metadata: KubeObject['metadata'] }): string | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller)?.uid;
}

export const hasEnded = ({ status }: Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed';
export const isActive = (pod: Pod): boolean => !hasEnded(pod) && !pod.metadata.deletionTimestamp;
export const isReady = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;

/** Ready for as long as its owner asks. */
export function isAvailable(pod: Pod, minReadySeconds: number, now: number): boolean {
  const ready = pod.status?.conditions?.find(({ type, status }) => type === 'Ready' && status === 'True');
  return isActive(pod) && ready !== undefined && Date.parse(ready.lastTransitionTime!) + minReadySeconds * 1000 <= now;
}
