/**
 * The devices of the pods of this node: their claims are made ready by the drivers before the first container starts, and given back when
 * the last pod that uses them here has ended. What is ready is also in a file, since a driver must be told even after a restart.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Container, Pod, ResourceV1ResourceClaim as ResourceClaim } from '../../api/types.gen.ts';
import type { Client } from '../../client/client.ts';
import { RESOURCE_CLAIMS } from '../../client/resources.ts';
import { errorCode } from '../../lib/errors.ts';
import { podText } from '../pods/pod-text.ts';
import type { ClaimIdentity, DeviceDrivers, PreparedDevice } from './drivers.ts';

export interface PodDevices {
  /** Resolves when every claim of the pod is ready. Throws Error in upstream's words. */
  prepare(pod: Pod): Promise<void>;
  /** The CDI names of what the container uses, of claims that are ready. */
  cdiDevices(pod: Pod, container: Container): string[];
  /** The pod's containers have ended. Safe to repeat. */
  unprepare(podUid: string): Promise<void>;
}

interface Prepared extends ClaimIdentity {
  devices: Record<string, PreparedDevice[]>;
  pods: string[];
}

export interface PodDevicesOptions {
  client: Client;
  drivers: DeviceDrivers;
  /** `/var/lib/kubelet` */
  rootDir: string;
}

const STATE_FILE = 'dra_manager_state';

export function createPodDevices({ client, drivers, rootDir }: PodDevicesOptions): PodDevices {
  const file = path.join(rootDir, STATE_FILE);
  const prepared = new Map<string, Prepared>();
  let loaded: Promise<void> | undefined;
  /** One after the other: claims may be shared by pods, and the file is one. */
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = turn.then(work);
    turn = result.catch(() => undefined);
    return result;
  };

  return {
    prepare: async (pod) => {
      if (!pod.spec?.resourceClaims?.length) return;
      await inTurn(async () => {
        await (loaded ??= load());
        for (const claimName of claimNames(pod).values()) await prepareClaim(pod, claimName);
      });
    },
    cdiDevices: (pod, container) => {
      const names = claimNames(pod);
      return (container.resources?.claims ?? []).flatMap(({ name, request }) => {
        const claimName = names.get(name);
        const ready = [...prepared.values()].find((each) => each.name === claimName && each.namespace === pod.metadata.namespace);
        const devices = Object.values(ready?.devices ?? {}).flat();
        return devices.filter(({ requests }) => serves(requests, request)).flatMap(({ cdiDevices }) => cdiDevices);
      });
    },
    unprepare: (podUid) =>
      inTurn(async () => {
        await (loaded ??= load());
        const used = [...prepared.values()].filter(({ pods }) => pods.includes(podUid));
        for (const claim of used) await release(claim, podUid);
      }),
  };

  async function prepareClaim(pod: Pod, claimName: string): Promise<void> {
    const { namespace, uid: podUid } = pod.metadata;
    const claim = await client.resource(RESOURCE_CLAIMS, namespace).get(claimName);
    const { uid } = claim.metadata;
    if (!claim.status?.reservedFor?.some((consumer) => consumer.uid === podUid))
      throw new Error(`pod ${podText(pod)} is not allowed to use resource claim ${claimName} (UID=${uid})`);
    const known = prepared.get(uid!);
    if (known) {
      if (known.pods.includes(podUid!)) return;
      known.pods.push(podUid!);
      return save();
    }
    const entry: Prepared = { namespace: namespace!, name: claimName, uid: uid!, devices: {}, pods: [podUid!] };
    // Noted before the drivers are called: what they began must be given back even if they fail.
    for (const driver of driversOf(claim)) entry.devices[driver] = [];
    prepared.set(uid!, entry);
    await save();
    try {
      for (const driver of driversOf(claim)) entry.devices[driver] = await drivers.prepare(driver, identityOf(entry));
    } catch (error) {
      // The next try asks all of its drivers again.
      prepared.delete(uid!);
      throw error;
    }
    await save();
  }

  async function release(claim: Prepared, podUid: string): Promise<void> {
    if (claim.pods.length === 1) for (const driver of Object.keys(claim.devices)) await drivers.unprepare(driver, identityOf(claim));
    claim.pods = claim.pods.filter((uid) => uid !== podUid);
    if (claim.pods.length === 0) prepared.delete(claim.uid);
    await save();
  }

  async function load(): Promise<void> {
    try {
      for (const entry of JSON.parse(await readFile(file, 'utf8')) as Prepared[]) prepared.set(entry.uid, entry);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
  }

  async function save(): Promise<void> {
    await writeFile(`${file}.new`, JSON.stringify([...prepared.values()]), { mode: 0o600 });
    await rename(`${file}.new`, file);
  }
}

const identityOf = ({ namespace, name, uid }: Prepared): ClaimIdentity => ({ namespace, name, uid });

/** The claims' names by the names that the pod gives them; one that needed no claim is left out. */
function claimNames({ spec, status }: Pod): Map<string, string> {
  const names = new Map<string, string>();
  for (const { name, resourceClaimName } of spec?.resourceClaims ?? []) {
    const claimName = resourceClaimName ?? status?.resourceClaimStatuses?.find((each) => each.name === name)?.resourceClaimName;
    if (claimName !== undefined) names.set(name, claimName);
  }
  return names;
}

/** A request that was served by an alternative is named `request/alternative`. */
function serves(requests: readonly string[], request: string | undefined): boolean {
  return !request || requests.length === 0 || requests.some((each) => each === request || each.startsWith(`${request}/`));
}

const driversOf = ({ status }: ResourceClaim): Set<string> =>
  new Set((status?.allocation?.devices?.results ?? []).map(({ driver }) => driver));
