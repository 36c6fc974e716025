/** What users, and misfortune, do to workloads. Each operation chooses its target by chance among what is there, and says what it did. */
import type { KubeObject, ObjectWithMeta } from '../../../src/api/meta.ts';
import type { Pod } from '../../../src/api/types.gen.ts';
import type { ResourceType } from '../../../src/client/client.ts';
import {
  DAEMON_SETS,
  DEPLOYMENTS,
  JOBS,
  NODES,
  PODS,
  REPLICA_SETS,
  REPLICATION_CONTROLLERS,
  STATEFUL_SETS,
} from '../../../src/client/resources.ts';
import type { Rng } from '../../../src/lib/random.ts';
import { ended, report, running, unlessLost } from './kubelets.ts';
import { newOwner } from './manifests.ts';
import { controllerUid, hasEnded, isActive, OWNERS, type OwnerKind } from './truth.ts';
import { MAX_LAG_MS, NODE_NAMES, type World } from './world.ts';

/** What was done, or undefined where there was nothing to do it to. */
type Operation = (world: World, rng: Rng) => Promise<string | undefined>;

export const TYPES = {
  deployments: DEPLOYMENTS,
  replicasets: REPLICA_SETS,
  controllers: REPLICATION_CONTROLLERS,
  statefulsets: STATEFUL_SETS,
  daemonsets: DAEMON_SETS,
  jobs: JOBS,
} as unknown as Record<OwnerKind, ResourceType>;

const SLOTS: Record<OwnerKind, number> = { deployments: 3, replicasets: 1, controllers: 1, statefulsets: 2, daemonsets: 2, jobs: 3 };

export const pick = <T>(rng: Rng, items: readonly T[]): T | undefined => items[Math.floor(rng.next() * items.length)];
const below = (rng: Rng, limit: number): number => Math.floor(rng.next() * limit);

interface Owner extends ObjectWithMeta {
  spec?: { template?: unknown; paused?: boolean; suspend?: boolean };
}

/** Those that users made: a Deployment's own ReplicaSets are not theirs to touch. */
function users(world: World, kinds: readonly OwnerKind[]): { kind: OwnerKind; owner: Owner }[] {
  return kinds.flatMap((kind) =>
    (world.truth.all(kind) as Owner[])
      .filter((owner) => !controllerUid(owner) && !owner.metadata.deletionTimestamp)
      .map((owner) => ({ kind, owner })),
  );
}

async function patch(world: World, kind: OwnerKind, { metadata }: ObjectWithMeta, change: unknown): Promise<void> {
  await unlessLost(world.admin.resource(TYPES[kind], 'default').patch(metadata.name!, 'merge', change));
}

const randomPod = (world: World, rng: Rng, those: (pod: Pod) => boolean): Pod | undefined =>
  pick(rng, world.truth.all('pods').filter(those));

const create: Operation = async (world, rng) => {
  const free = OWNERS.flatMap((kind) => Array.from({ length: SLOTS[kind] }, (_, n) => ({ kind, name: `${kind.slice(0, 3)}${n}` }))).filter(
    ({ kind, name }) => !world.truth.get(kind, name),
  );
  const slot = pick(rng, free);
  if (!slot) return undefined;
  const owner = newOwner(slot.kind, slot.name, rng);
  await world.admin.resource(TYPES[slot.kind], 'default').create(owner as unknown as KubeObject);
  return `create ${slot.name} ${JSON.stringify(owner.spec)}`;
};

const scale: Operation = async (world, rng) => {
  const found = pick(rng, users(world, ['deployments', 'deployments', 'replicasets', 'controllers', 'statefulsets', 'jobs']));
  if (!found) return undefined;
  const size = below(rng, 8);
  await patch(world, found.kind, found.owner, { spec: found.kind === 'jobs' ? { parallelism: size } : { replicas: size } });
  return `scale ${found.owner.metadata.name} to ${size}`;
};

/** Going back to an earlier image is a rollback. */
const changeTemplate: Operation = async (world, rng) => {
  const found = pick(rng, users(world, ['deployments', 'deployments', 'statefulsets', 'daemonsets']));
  if (!found) return undefined;
  const image = `v${below(rng, 4)}`;
  await patch(world, found.kind, found.owner, { spec: { template: { spec: { containers: [{ name: 'main', image }] } } } });
  return `change ${found.owner.metadata.name} to ${image}`;
};

const pause: Operation = async (world, rng) => {
  const found = pick(rng, users(world, ['deployments', 'jobs']));
  if (!found) return undefined;
  const field = found.kind === 'jobs' ? 'suspend' : 'paused';
  const next = !found.owner.spec?.[field];
  await patch(world, found.kind, found.owner, { spec: { [field]: next } });
  return `${field} ${found.owner.metadata.name} ${next}`;
};

const adjust: Operation = async (world, rng) => {
  const found = pick(rng, users(world, ['deployments', 'statefulsets', 'daemonsets']));
  if (!found) return undefined;
  const spec =
    found.kind === 'statefulsets' && rng.next() < 0.7
      ? { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: below(rng, 3) } } }
      : { revisionHistoryLimit: below(rng, 3) };
  await patch(world, found.kind, found.owner, { spec });
  return `adjust ${found.owner.metadata.name} ${JSON.stringify(spec)}`;
};

const remove: Operation = async (world, rng) => {
  const found = pick(rng, users(world, OWNERS));
  if (!found) return undefined;
  const propagationPolicy = pick(rng, ['Foreground', 'Background', 'Orphan'] as const)!;
  await unlessLost(world.admin.resource(TYPES[found.kind], 'default').delete(found.owner.metadata.name!, { propagationPolicy }));
  return `delete ${found.owner.metadata.name} ${propagationPolicy}`;
};

const conflict: Operation = async (world, rng) => {
  const kind = pick(rng, OWNERS)!;
  const owner = pick(rng, world.truth.all(kind) as ObjectWithMeta[]);
  if (!owner) return undefined;
  const note = String(rng.next());
  await patch(world, kind, owner, { metadata: { annotations: { note } } });
  return `annotate ${kind}/${owner.metadata.name}`;
};

/** A pod of nobody whose labels somebody selects. */
const stray: Operation = async (world, rng) => {
  const found = pick(rng, users(world, ['replicasets', 'controllers', 'statefulsets', 'daemonsets']));
  if (!found) return undefined;
  const name = found.kind === 'statefulsets' ? `${found.owner.metadata.name}-${below(rng, 4)}` : `stray-${world.rng.suffix(5)}`;
  const pod: Pod = {
    metadata: { name, labels: { app: found.owner.metadata.name! } },
    spec: { containers: [{ name: 'main', image: 'v0' }] },
  };
  await unlessLost(world.admin.resource(PODS, 'default').create(pod));
  return `stray pod ${name} for ${found.owner.metadata.name}`;
};

const relabel: Operation = async (world, rng) => {
  const pod = randomPod(world, rng, ({ metadata }) => !metadata.ownerReferences?.some(({ kind }) => kind === 'Job'));
  if (!pod) return undefined;
  const app = pod.metadata.labels?.['app'] === 'nobody' ? `dep${below(rng, 3)}` : 'nobody';
  await unlessLost(world.admin.resource(PODS, 'default').patch(pod.metadata.name!, 'merge', { metadata: { labels: { app } } }));
  return `label ${pod.metadata.name} app=${app}`;
};

const killPod: Operation = async (world, rng) => {
  const pod = randomPod(world, rng, ({ metadata }) => !metadata.deletionTimestamp);
  if (!pod) return undefined;
  await unlessLost(world.admin.resource(PODS, 'default').delete(pod.metadata.name!));
  return `delete pod ${pod.metadata.name}`;
};

const failPod: Operation = async (world, rng) => {
  const pod = randomPod(world, rng, (each) => each.spec?.nodeName !== undefined && !hasEnded(each));
  if (!pod) return undefined;
  await report(world, pod, ended(false));
  return `fail pod ${pod.metadata.name}`;
};

const unready: Operation = async (world, rng) => {
  const pod = randomPod(world, rng, (each) => each.spec?.nodeName !== undefined && isActive(each));
  if (!pod) return undefined;
  await report(world, pod, running(world, false));
  return `pod ${pod.metadata.name} is not ready`;
};

const node: Operation = async (world, rng) => {
  const name = pick(rng, NODE_NAMES)!;
  const nodes = world.admin.resource(NODES);
  const found = world.truth.get('minions', name);
  if (!found) {
    await world.addNode(name);
    return `node ${name} comes`;
  }
  if (rng.next() < 0.4) {
    await nodes.delete(name);
    return `node ${name} goes`;
  }
  const taints = found.spec?.taints ? null : [{ key: 'keep-off', effect: rng.next() < 0.5 ? 'NoSchedule' : 'NoExecute' }];
  await nodes.patch(name, 'merge', { spec: { taints } });
  return `node ${name} taints ${JSON.stringify(taints)}`;
};

const restart: Operation = async (world) => {
  world.killControllers();
  world.startControllers();
  return 'controllers are killed and started again';
};

const network: Operation = async (world, rng) => {
  world.setLag(world.lagMs > 0 ? 0 : 50 + below(rng, MAX_LAG_MS - 50));
  return `answers and events take up to ${world.lagMs} ms`;
};

/** With their weights. */
const CALM = {
  create: [create, 6],
  scale: [scale, 6],
  changeTemplate: [changeTemplate, 8],
  pause: [pause, 2],
  adjust: [adjust, 2],
  restart: [restart, 1],
  network: [network, 1],
  conflict: [conflict, 3],
} as const;
const ROUGH = {
  remove: [remove, 2],
  stray: [stray, 2],
  relabel: [relabel, 1],
  killPod: [killPod, 3],
  failPod: [failPod, 2],
  unready: [unready, 2],
  node: [node, 2],
} as const;
const ALL = { ...CALM, ...ROUGH };

export type OperationName = keyof typeof ALL;

/** What takes pods away without the controllers: their promise of availability does not hold against it. */
export const DISTURBING: ReadonlySet<OperationName> = new Set(Object.keys(ROUGH) as OperationName[]);

export function drawOperation(rng: Rng, rough: boolean): OperationName {
  const table = Object.entries(rough ? ALL : CALM) as [OperationName, readonly [Operation, number]][];
  let left = rng.next() * table.reduce((sum, [, [, weight]]) => sum + weight, 0);
  for (const [name, [, weight]] of table) if ((left -= weight) < 0) return name;
  return 'create';
}

export const carryOut = (name: OperationName, world: World, rng: Rng): Promise<string | undefined> => ALL[name][0](world, rng);
