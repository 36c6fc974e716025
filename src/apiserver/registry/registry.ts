import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Rng } from '../../lib/random.ts';
import type { FieldError } from '../../api/status.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { ResourceInfo } from '../../api/schema/schema.ts';
import type { Storage } from '../../storage/storage.ts';
import type { AdmissionPlugin, RequestContext } from '../contract.ts';
import type { Resources, ServedResource } from '../resources.ts';
import type { ObjectView } from '../watch/entry.ts';
import type { WatchCache } from '../watch/watch-cache.ts';
import type { RequestBody } from '../body.ts';
import type { ComponentCheck } from './component-statuses.ts';

/** What the verbs work with. */
export interface Registry {
  storage: Storage;
  cache: WatchCache;
  resources: Resources;
  clock: Clock;
  rng: Rng;
  log: Logger;
  /** In upstream's order. */
  admission: readonly AdmissionPlugin[];
  /** What particular resources take and give back around their writes, by storage prefix (cluster IPs and node ports of Services). */
  claims: ReadonlyMap<string, ResourceClaims>;
  /** Throws StatusError 403 unless the request's user may create what the request names: for an update or apply that turns out to create. */
  requireCreate: (context: RequestContext) => void;
  /** What `componentstatuses` shows besides the store. */
  components?: ReadonlyMap<string, ComponentCheck>;
  /** A finding of validation that is let pass. */
  tolerates?: (error: FieldError) => boolean;
}

/** One request for a resource on its way through a verb. */
export interface Call {
  context: RequestContext;
  served: ServedResource;
  body: RequestBody;
}

/** The namespace of the objects that a call is about; '' for cluster-scoped ones (a namespace's own URL names it as namespace, too) and for all. */
export function namespaceOf({ context, served }: Call): string {
  return served.info.namespaced ? context.info.namespace : '';
}

/** What a verb answers; the transport decides how it is written. */
export type Result =
  | { kind: 'object'; status: number; info: ResourceInfo; view: ObjectView }
  | { kind: 'list'; info: ResourceInfo; items: readonly ObjectView[]; revision: number; continue?: string; remaining?: number }
  | { kind: 'watch'; served: ServedResource; watch: WatchCall }
  /** An object of a kind that is not the resource's own: Status, Scale, the answer to a review. */
  | { kind: 'value'; status: number; body: object };

export type VerbHandler = (registry: Registry, call: Call) => Promise<Result>;

/** A watch that was understood and is allowed; `watch/open.ts` opens it. */
export interface WatchCall {
  namespace: string;
  name?: string;
  match?: (object: KubeObject) => boolean;
  /** Names the selectors: watches with the same text share their work. */
  selectorText: string;
  /** The value that the selector demands of the resource's trigger field. */
  pinned?: string;
  /** Changes after this revision; undefined: the current state first. */
  since?: number;
  /** The current state first, then a bookmark that says so. */
  sendInitialEvents: boolean;
  bookmarks: boolean;
  timeoutMs: number;
}

/**
 * Things outside the object that a write takes (an address, a port). `take` returns the object with what it got and the two ends of the
 * matter; exactly one of `commit` and `rollback` is called.
 */
export interface ResourceClaims {
  take(object: KubeObject, previous: KubeObject | undefined): { object: KubeObject; commit(): void; rollback(): void };
  /** The object is gone from the store. */
  release(object: KubeObject): void;
}
