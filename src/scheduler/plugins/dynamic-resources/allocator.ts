/**
 * Chooses devices for claims on one node: tries the devices of each request in turn and goes back where a later request then finds none
 * (KEP-4381). Pure on what it is given; the first solution is taken.
 */
import { compareQuantities } from '../../../api/codec/quantity.ts';
import { isTolerated } from '../../../api/tolerations.ts';
import type {
  AllocationResult,
  DeviceAllocationConfiguration,
  DeviceClass,
  DeviceRequest,
  DeviceRequestAllocationResult,
  DeviceSubRequest,
  ExactDeviceRequest,
  NodeSelector,
  ResourceV1ResourceClaim as ResourceClaim,
} from '../../../api/types.gen.ts';
import type { NodeInfo } from '../../snapshot.ts';
import { consumedCapacity } from './capacity.ts';
import { type ConstraintState, constraintState, type RequestName } from './constraints.ts';
import type { DeviceMatcher } from './device-objects.ts';
import type { Pool, PooledDevice, Pools } from './pools.ts';
import type { DeviceUsage } from './usage.ts';

export interface AllocatorOptions {
  pools: Pools;
  usage: DeviceUsage;
  matches: DeviceMatcher;
  classOf(name: string): DeviceClass | undefined;
  /** Names the shares of devices that several claims have. */
  uuid(): string;
}

export interface Allocations {
  /** One for each claim, in their order. */
  results: readonly AllocationResult[];
  /** The more, the earlier the alternatives that were taken (firstAvailable). */
  score: number;
}

const MAX_RESULTS = 32;
const MAX_ALTERNATIVES = 8;
/** So many devices are tried for a node before it counts as too hard. */
const MAX_STEPS = 100_000;

/** undefined: the node has not the devices. Throws Error for a selector that cannot be evaluated, and when it takes too long. */
export function allocate(claims: readonly ResourceClaim[], node: NodeInfo, options: AllocatorOptions): Allocations | undefined {
  return new Search(claims, node, options).run();
}

/** A request in one of its forms: itself, or one of its alternatives. */
interface Wanted {
  claim: number;
  name: RequestName;
  request: ExactDeviceRequest | DeviceSubRequest;
  candidates: readonly Candidate[];
  /** All of the candidates must be taken. */
  all: boolean;
  count: number;
  adminAccess: boolean;
}

interface Candidate {
  device: PooledDevice;
  pool: Pool;
  /** Set for devices that several may share. */
  consumed?: Record<string, string>;
}

interface Chosen extends Candidate {
  wanted: Wanted;
}

class Search {
  readonly #claims: readonly ResourceClaim[];
  readonly #options: AllocatorOptions;
  readonly #reachable: readonly { pool: Pool; devices: readonly PooledDevice[] }[];
  readonly #constraints: readonly (readonly ConstraintState[])[];
  /** Requests of all claims, one after the other. */
  readonly #requests: readonly { claim: number; request: DeviceRequest }[];
  readonly #chosen: Chosen[] = [];
  #score = 0;
  #steps = 0;

  constructor(claims: readonly ResourceClaim[], node: NodeInfo, options: AllocatorOptions) {
    this.#claims = claims;
    this.#options = options;
    this.#reachable = options.pools.reachable(node);
    this.#constraints = claims.map(({ spec }) => (spec.devices?.constraints ?? []).map(constraintState));
    this.#requests = claims.flatMap(({ spec }, claim) => (spec.devices?.requests ?? []).map((request) => ({ claim, request })));
  }

  /** What is tried is taken from the usage for the time of the search only. */
  run(): Allocations | undefined {
    try {
      if (!this.#serve(0)) return undefined;
      return { results: this.#claims.map((claim, index) => this.#resultOf(claim, index)), score: this.#score };
    } finally {
      while (this.#chosen.length > 0) this.#putBack();
    }
  }

  /** Serves the request at the place and all after it. */
  #serve(at: number): boolean {
    const next = this.#requests[at];
    if (!next) return true;
    const { claim, request } = next;
    if (request.exactly) return this.#serveAs(at, this.#wanted(claim, { main: request.name, full: request.name }, request.exactly));
    const alternatives = request.firstAvailable ?? [];
    for (const [rank, alternative] of alternatives.entries()) {
      const before = this.#score;
      this.#score += MAX_ALTERNATIVES - rank;
      if (this.#serveAs(at, this.#wanted(claim, { main: request.name, full: `${request.name}/${alternative.name}` }, alternative)))
        return true;
      this.#score = before;
    }
    return false;
  }

  #serveAs(at: number, wanted: Wanted | undefined): boolean {
    if (!wanted) return false;
    if (!wanted.all) return this.#takeSome(at, wanted, 0, wanted.count);
    return wanted.candidates.length > 0 && this.#takeSome(at, wanted, 0, wanted.candidates.length);
  }

  /** Takes `left` more of the candidates from `from` on, then serves the next request. */
  #takeSome(at: number, wanted: Wanted, from: number, left: number): boolean {
    if (left === 0) return this.#serve(at + 1);
    for (let index = from; index + left <= wanted.candidates.length; index++) {
      if (++this.#steps > MAX_STEPS) throw new Error('timed out trying to allocate devices');
      const candidate = wanted.candidates[index]!;
      if (!this.#take(candidate, wanted)) {
        if (wanted.all) return false;
        continue;
      }
      if (this.#takeSome(at, wanted, index + 1, left - 1)) return true;
      this.#putBack();
      if (wanted.all) return false;
    }
    return false;
  }

  #take(candidate: Candidate, wanted: Wanted): boolean {
    const { usage } = this.#options;
    const { device, pool, consumed } = candidate;
    const isTwice = this.#chosen.some((each) => each.device.id === device.id && each.wanted.claim === wanted.claim);
    if (isTwice && !consumed) return false;
    if (!wanted.adminAccess && !usage.isFree(device, pool, consumed)) return false;
    const added: ConstraintState[] = [];
    for (const constraint of this.#constraints[wanted.claim]!) {
      if (!constraint.add(wanted.name, device)) {
        for (const each of added) each.remove(wanted.name, device);
        return false;
      }
      added.push(constraint);
    }
    if (!wanted.adminAccess) usage.take(device, consumed);
    this.#chosen.push({ ...candidate, wanted });
    return true;
  }

  #putBack(): void {
    const { device, consumed, wanted } = this.#chosen.pop()!;
    for (const constraint of this.#constraints[wanted.claim]!) constraint.remove(wanted.name, device);
    if (!wanted.adminAccess) this.#options.usage.giveBack(device, consumed);
  }

  /** undefined: the class is not there, or all devices are wanted of a pool that is not complete. */
  #wanted(claim: number, name: RequestName, request: ExactDeviceRequest | DeviceSubRequest): Wanted | undefined {
    const deviceClass = this.#options.classOf(request.deviceClassName);
    if (!deviceClass) return undefined;
    const all = request.allocationMode === 'All';
    const candidates: Candidate[] = [];
    for (const { pool, devices } of this.#reachable) {
      if (pool.isIncomplete) {
        if (all) return undefined;
        continue;
      }
      for (const device of devices) {
        const candidate = this.#candidate(device, pool, request, deviceClass);
        if (candidate) candidates.push(candidate);
      }
    }
    const adminAccess = 'adminAccess' in request && request.adminAccess === true;
    const count = all ? candidates.length : (request.count ?? 1);
    if (count > MAX_RESULTS) throw new Error(`exceeds the claim limit of ${MAX_RESULTS} devices`);
    return { claim, name, request, candidates, all, count, adminAccess };
  }

  #candidate(
    device: PooledDevice,
    pool: Pool,
    request: ExactDeviceRequest | DeviceSubRequest,
    deviceClass: DeviceClass,
  ): Candidate | undefined {
    const taints = device.device.taints ?? [];
    if (taints.some((taint) => taint.effect !== 'None' && !isTolerated(taint, request.tolerations))) return undefined;
    for (const { cel } of [...(deviceClass.spec.selectors ?? []), ...(request.selectors ?? [])])
      if (cel && !this.#options.matches(cel.expression, device.driver, device.device)) return undefined;
    if (device.device.allowMultipleAllocations) {
      const consumed = consumedCapacity(device.device, request.capacity);
      return consumed && { device, pool, consumed };
    }
    const isBigEnough = Object.entries(request.capacity?.requests ?? {}).every(([name, amount]) => {
      const value = device.device.capacity?.[name]?.value;
      return value !== undefined && compareQuantities(value, amount) >= 0;
    });
    return isBigEnough ? { device, pool } : undefined;
  }

  #resultOf({ spec }: ResourceClaim, claim: number): AllocationResult {
    const own = this.#chosen.filter(({ wanted }) => wanted.claim === claim);
    const nodeSelector = selectorFor(own);
    const config = this.#configOf(claim, own, spec.devices?.config ?? []);
    return {
      devices: { results: own.map((each) => resultFor(each, this.#options.uuid)), ...(config.length > 0 ? { config } : {}) },
      ...(nodeSelector ? { nodeSelector } : {}),
    };
  }

  /** What the classes say, for the requests that they were for, then what the claim says itself. */
  #configOf(
    claim: number,
    own: readonly Chosen[],
    ofClaim: readonly Omit<DeviceAllocationConfiguration, 'source'>[],
  ): DeviceAllocationConfiguration[] {
    const served = new Map(own.map(({ wanted }) => [wanted.name.full, wanted]));
    const ofClasses = [...served].flatMap(([request, wanted]) =>
      (this.#options.classOf(wanted.request.deviceClassName)?.spec.config ?? []).map((each) => ({
        source: 'FromClass',
        requests: [request],
        ...(each.opaque ? { opaque: each.opaque } : {}),
      })),
    );
    const names = new Set(own.filter(({ wanted }) => wanted.claim === claim).flatMap(({ wanted: { name } }) => [name.main, name.full]));
    const relevant = ofClaim.filter(({ requests = [] }) => requests.length === 0 || requests.some((name) => names.has(name)));
    return [...ofClasses, ...relevant.map((each) => ({ ...each, source: 'FromClaim' }))];
  }
}

function resultFor({ device, consumed, wanted }: Chosen, uuid: () => string): DeviceRequestAllocationResult {
  const { tolerations } = wanted.request;
  return {
    request: wanted.name.full,
    driver: device.driver,
    pool: device.pool,
    device: device.device.name,
    ...(wanted.adminAccess ? { adminAccess: true } : {}),
    ...(tolerations?.length ? { tolerations } : {}),
    ...(consumed ? { shareID: uuid(), consumedCapacity: consumed } : {}),
  };
}

/** Where the devices can be reached: one node, what all of their selectors say, or anywhere. */
function selectorFor(chosen: readonly Chosen[]): NodeSelector | undefined {
  const nodeName = chosen.find(({ device }) => device.nodeName !== undefined)?.device.nodeName;
  if (nodeName !== undefined)
    return { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [nodeName] }] }] };
  const terms = [...new Set(chosen.flatMap(({ device }) => device.nodeSelector?.nodeSelectorTerms[0] ?? []))];
  if (terms.length === 0) return undefined;
  const expressions = terms.flatMap(({ matchExpressions = [] }) => matchExpressions);
  const fields = terms.flatMap(({ matchFields = [] }) => matchFields);
  return {
    nodeSelectorTerms: [
      { ...(expressions.length > 0 ? { matchExpressions: expressions } : {}), ...(fields.length > 0 ? { matchFields: fields } : {}) },
    ],
  };
}
