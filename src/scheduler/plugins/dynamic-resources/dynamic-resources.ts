/** Devices for pods: resource claims are allocated on the node that is chosen (KEP-4381, structured parameters). */
import type { AllocationResult, DeviceRequest, ResourceV1ResourceClaim as ResourceClaim } from '../../../api/types.gen.ts';
import { errorMessage } from '../../../lib/errors.ts';
import type { PluginCycle, Rejection, Reservation, SchedulingPlugin } from '../../framework.ts';
import { normaliseByMax } from '../../framework.ts';
import type { NodeInfo, PodInfo } from '../../snapshot.ts';
import { matchesSelector } from '../node-selection.ts';
import { allocate, type Allocations } from './allocator.ts';
import { deallocate, reserveClaim, unreserveClaim } from './claim-writes.ts';
import type { DeviceObjects } from './device-objects.ts';
import { claimsOfPod, isReservedFor, mayReserve } from './pod-claims.ts';
import { type Pools, poolsOf } from './pools.ts';
import { DeviceUsage } from './usage.ts';

const refused = (reason: string): Rejection => ({ code: 'UnschedulableAndUnresolvable', reasons: [reason] });
const NOT_HERE = refused('resourceclaim not available on the node');
const CANNOT_ALLOCATE = refused('cannot allocate all claims');

export function dynamicResources(objects: DeviceObjects, uuid: () => string): SchedulingPlugin {
  /** Allocations of pods on their way, by the claim's uid, until the cache shows them. */
  const pending = new Map<string, AllocationResult>();
  let known: { version: number; pools: Pools } | undefined;
  const pools = (): Pools => {
    if (known?.version !== objects.slicesVersion) known = { version: objects.slicesVersion, pools: poolsOf(objects.slices.list()) };
    return known.pools;
  };
  return {
    name: 'DynamicResources',
    waitsFor: ({ pod }) => (pod.spec!.resourceClaims?.length ?? 0) > 0 && 'problem' in claimsOfPod(pod, objects.claims),
    begin(pod) {
      if (!pod.pod.spec!.resourceClaims?.length) return undefined;
      const claims = claimsOfPod(pod.pod, objects.claims);
      if ('problem' in claims) return { reject: refused(claims.problem) };
      const problem = claims.map((claim) => problemOf(claim, pod, objects, pending)).find((each) => each !== undefined);
      if (problem !== undefined) return { reject: refused(problem) };
      return claims.length === 0 ? undefined : steps(pod, claims, { objects, pending, pools: pools(), uuid });
    },
    wakesOn: ({ resource, action }) =>
      resource === 'ResourceClaim' ||
      resource === 'UnscheduledPod' ||
      ((resource === 'ResourceSlice' || resource === 'DeviceClass' || resource === 'Node') && action !== 'delete'),
  };
}

function problemOf(
  claim: ResourceClaim,
  { pod }: PodInfo,
  { classes }: DeviceObjects,
  pending: ReadonlyMap<string, unknown>,
): string | undefined {
  if (claim.status?.allocation) return mayReserve(claim, pod) ? undefined : 'resourceclaim in use';
  const { namespace, name, uid } = claim.metadata;
  if (pending.has(uid!)) return `resource claim ${namespace}/${name} is in the process of being allocated`;
  const unknown = (claim.spec.devices?.requests ?? []).flatMap(classesOf).find((each) => !classes.get(each.className));
  return unknown && `request ${unknown.request}: device class ${unknown.className} does not exist`;
}

function classesOf({ name, exactly, firstAvailable = [] }: DeviceRequest): { request: string; className: string }[] {
  return [
    ...(exactly ? [{ request: name, className: exactly.deviceClassName }] : []),
    ...firstAvailable.map((each) => ({ request: `${name}/${each.name}`, className: each.deviceClassName })),
  ];
}

interface Surroundings {
  objects: DeviceObjects;
  pending: Map<string, AllocationResult>;
  pools: Pools;
  uuid: () => string;
}

function steps(pod: PodInfo, claims: readonly ResourceClaim[], surroundings: Surroundings): PluginCycle {
  const { objects, pools, uuid } = surroundings;
  const open = claims.filter(({ status }) => !status?.allocation);
  const usage = open.length > 0 ? usageOf(surroundings) : undefined;
  const found = new Map<string, Allocations>();
  const elsewhere = new Set<ResourceClaim>();
  const options = { pools, matches: objects.matches, classOf: (name: string) => objects.classes.get(name), uuid };
  return {
    filter: (node) => {
      const away = claims.filter((claim) => !isOn(claim, node));
      for (const claim of away) elsewhere.add(claim);
      if (away.length > 0) return NOT_HERE;
      if (!usage) return undefined;
      try {
        const allocations = allocate(open, node, { ...options, usage });
        if (!allocations) return CANNOT_ALLOCATE;
        found.set(node.name, allocations);
        return undefined;
      } catch (error) {
        // A selector that cannot be evaluated: the person who wrote it must hear of it.
        return refused(errorMessage(error));
      }
    },
    ...(open.some(({ spec }) => spec.devices?.requests?.some(({ firstAvailable }) => firstAvailable))
      ? {
          score: (node: NodeInfo) => found.get(node.name)?.score ?? 0,
          normalise: (scores: Float64Array) => normaliseByMax(scores, false),
        }
      : {}),
    reserve: (node) => {
      const allocations = found.get(node.name)?.results ?? [];
      return reservation(pod, claims, new Map(open.map((claim, index) => [claim, allocations[index]!])), surroundings);
    },
    postFilter: async () => {
      for (const claim of elsewhere) {
        const users = claim.status?.reservedFor ?? [];
        if (users.length > 1 || (users.length === 1 && !isReservedFor(claim, pod.pod))) continue;
        await deallocate(objects.client, claim);
        return 'deallocation of ResourceClaim completed';
      }
      return 'still not schedulable';
    },
  };
}

function isOn({ status }: ResourceClaim, node: NodeInfo): boolean {
  const selector = status?.allocation?.nodeSelector;
  return !selector || matchesSelector(selector, node);
}

function usageOf({ objects, pending, pools }: Surroundings): DeviceUsage {
  const usage = new DeviceUsage();
  for (const { metadata, status } of objects.claims.list()) {
    const allocation = status?.allocation ?? pending.get(metadata.uid!);
    if (allocation) usage.addAllocation(allocation, pools.all);
  }
  return usage;
}

function reservation(
  { pod }: PodInfo,
  claims: readonly ResourceClaim[],
  allocations: ReadonlyMap<ResourceClaim, AllocationResult>,
  { objects, pending }: Surroundings,
): Reservation {
  const written: ResourceClaim[] = [];
  for (const [claim, allocation] of allocations) pending.set(claim.metadata.uid!, allocation);
  const forget = (): void => {
    for (const { metadata } of allocations.keys()) pending.delete(metadata.uid!);
  };
  return {
    preBind: async () => {
      for (const claim of claims) {
        if (isReservedFor(claim, pod) && claim.status?.allocation) continue;
        await reserveClaim(objects.client, claim, pod, allocations.get(claim));
        written.push(claim);
      }
      // From here on the cache says it, at the latest with the next event of each claim.
      forgetOnceSeen(objects, allocations, pending);
    },
    release: async () => {
      forget();
      for (const claim of written) await unreserveClaim(objects.client, claim, pod);
    },
  };
}

function forgetOnceSeen(
  objects: DeviceObjects,
  allocations: ReadonlyMap<ResourceClaim, AllocationResult>,
  pending: Map<string, AllocationResult>,
): void {
  for (const { metadata } of allocations.keys()) {
    const key = `${metadata.namespace}/${metadata.name}`;
    const isSeen = (): boolean => {
      const now = objects.claims.get(key);
      return !now || now.metadata.uid !== metadata.uid || now.status?.allocation !== undefined;
    };
    if (isSeen()) {
      pending.delete(metadata.uid!);
      continue;
    }
    const check = (): void => {
      if (!isSeen()) return;
      pending.delete(metadata.uid!);
      unsubscribe();
    };
    let unsubscribe = (): void => undefined;
    unsubscribe = objects.claims.subscribe({ updated: check, deleted: check });
  }
}
