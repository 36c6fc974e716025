/** What must be so when users leave the cluster alone and nodes work: everything is as its owner says, and nothing is left over. */
import type { ObjectWithMeta } from '../../../src/api/meta.ts';
import type {
  ControllerRevision,
  DaemonSet,
  Deployment,
  Job,
  Pod,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../../../src/api/types.gen.ts';
import { deepEqual } from '../../../src/api/patch/json.ts';
import { sameTemplate } from '../../../src/controllers/deployment/revisions.ts';
import { nodeOf } from './judge.ts';
import { controllerUid, hasEnded, isActive, isReady, OWNERS, type Truth } from './truth.ts';

/** What is not as it should be. */
export function unsettled(truth: Truth): string[] {
  const found: string[] = [];
  const check = (isSo: boolean, text: string): void => void (isSo || found.push(text));
  leftovers(truth, check);
  for (const deployment of truth.all('deployments')) checkDeployment(truth, deployment, check);
  for (const owner of [...truth.all('replicasets'), ...truth.all('controllers')]) checkReplicas(truth, owner, check);
  for (const set of truth.all('statefulsets')) checkStatefulSet(truth, set, check);
  for (const daemonSet of truth.all('daemonsets')) checkDaemonSet(truth, daemonSet, check);
  for (const job of truth.all('jobs')) checkJob(truth, job, check);
  return found;
}

type Check = (isSo: boolean, text: string) => void;

function leftovers(truth: Truth, check: Check): void {
  const uids = new Set(OWNERS.flatMap((kind) => truth.all(kind).map(({ metadata }) => metadata.uid!)));
  for (const kind of ['pods', 'replicasets', 'controllerrevisions', ...OWNERS] as const) {
    for (const { metadata } of truth.all(kind) as ObjectWithMeta[]) {
      const lost = metadata.ownerReferences?.find(({ uid }) => !uids.has(uid));
      check(!lost, `${kind}/${metadata.name} has lost its owner ${lost?.kind} ${lost?.name}`);
      check(!metadata.deletionTimestamp, `${kind}/${metadata.name} is still being deleted, finalizers ${metadata.finalizers?.join()}`);
    }
  }
  for (const { metadata, spec } of truth.all('pods')) {
    check(!spec?.nodeName || truth.get('minions', spec.nodeName) !== undefined, `pods/${metadata.name} is on a node that is gone`);
    const isTracked = metadata.finalizers?.includes('batch.kubernetes.io/job-tracking') ?? false;
    check(!isTracked || controllerUid({ metadata }) !== undefined, `pods/${metadata.name} keeps its finalizer without a Job`);
  }
}

const podsOf = (truth: Truth, { metadata }: ObjectWithMeta): Pod[] => truth.controlledBy('pods', metadata.uid!);

/** Status says what is: all of `expected`, where 0 may be absent. */
function checkStatus(
  { kind, metadata, status }: ObjectWithMeta & { status?: object },
  expected: Record<string, number | string>,
  check: Check,
): void {
  const actual = (status ?? {}) as Record<string, unknown>;
  for (const [field, value] of Object.entries(expected))
    check((actual[field] ?? 0) === value, `${kind} ${metadata.name}: status.${field} is ${String(actual[field])}, not ${value}`);
  if (metadata.generation !== undefined)
    check(actual['observedGeneration'] === metadata.generation, `${kind} ${metadata.name}: the last change was not observed`);
}

function checkDeployment(truth: Truth, deployment: Deployment, check: Check): void {
  const { metadata, spec } = deployment;
  const name = `Deployment ${metadata.name}`;
  const family = truth.controlledBy('replicasets', metadata.uid!);
  const wanted = spec?.replicas ?? 1;
  const asked = family.reduce((sum, each) => sum + (each.spec?.replicas ?? 0), 0);
  const pods = family.flatMap((each) => podsOf(truth, each)).filter(isActive);
  const current = family.filter((each) => sameTemplate(each.spec?.template, spec?.template));
  const idle = family.filter((each) => each.spec?.replicas === 0 && !current.includes(each));
  if (spec?.paused) {
    const rolls = family.filter((each) => (each.spec?.replicas ?? 0) > 0).length > 1;
    check(rolls || family.length === 0 || asked === wanted, `${name} is paused with ${asked} of ${wanted} pods`);
    return;
  }
  check(current.length === 1, `${name} has ${current.length} ReplicaSets of its template`);
  check(
    asked === wanted && current[0]?.spec?.replicas === wanted,
    `${name} asks for ${asked} pods, ${current[0]?.spec?.replicas} of them new, not ${wanted}`,
  );
  check(idle.length <= (spec?.revisionHistoryLimit ?? 10), `${name} keeps ${idle.length} old ReplicaSets`);
  const updatedReplicas = pods.filter((pod) => controllerUid(pod) === current[0]?.metadata.uid).length;
  checkStatus(
    deployment,
    { replicas: wanted, readyReplicas: wanted, availableReplicas: wanted, updatedReplicas, unavailableReplicas: 0, terminatingReplicas: 0 },
    check,
  );
  const conditions = Object.fromEntries(
    (deployment.status?.conditions ?? []).map(({ type, status, reason }) => [type, `${status} ${reason}`]),
  );
  check(conditions['Available'] === 'True MinimumReplicasAvailable', `${name} is not Available: ${conditions['Available']}`);
  check(conditions['Progressing'] === 'True NewReplicaSetAvailable', `${name} is not complete: ${conditions['Progressing']}`);
}

function checkReplicas(truth: Truth, owner: ReplicaSet | ReplicationController, check: Check): void {
  const { kind, metadata, spec } = owner;
  const wanted = spec?.replicas ?? 1;
  const active = podsOf(truth, owner).filter(isActive);
  check(active.length === wanted, `${kind} ${metadata.name} has ${active.length} pods, not ${wanted}`);
  checkStatus(owner, { replicas: wanted, readyReplicas: wanted, availableReplicas: wanted }, check);
}

/** A history holds what is in use, and of the rest no more than its limit. */
function checkHistory(
  truth: Truth,
  owner: StatefulSet | DaemonSet,
  inUse: (revision: ControllerRevision) => boolean,
  check: Check,
): ControllerRevision | undefined {
  const history = truth.controlledBy('controllerrevisions', owner.metadata.uid!).toSorted((a, b) => a.revision - b.revision);
  const spare = history.filter((revision) => !inUse(revision)).length;
  check(
    spare <= (owner.spec?.revisionHistoryLimit ?? 10),
    `${owner.kind} ${owner.metadata.name} keeps ${spare} revisions that nobody uses`,
  );
  const latest = history.at(-1);
  const template = (latest?.data as { spec: { template: object } } | undefined)?.spec.template;
  check(
    deepEqual(template, { $patch: 'replace', ...owner.spec!.template }),
    `${owner.kind} ${owner.metadata.name}: the last revision is not its template`,
  );
  return latest;
}

const HASH = 'controller-revision-hash';

function checkStatefulSet(truth: Truth, set: StatefulSet, check: Check): void {
  const { metadata, spec } = set;
  const pods = podsOf(truth, set);
  const replicas = spec?.replicas ?? 1;
  const start = spec?.ordinals?.start ?? 0;
  const names = Array.from({ length: replicas }, (_, n) => `${metadata.name}-${start + n}`);
  const found = pods.map((pod) => pod.metadata.name!).toSorted();
  check(names.toSorted().join() === found.join(), `StatefulSet ${metadata.name} has ${found.join()}, not ${names.join()}`);
  check(pods.every(isReady), `StatefulSet ${metadata.name} has pods that are not ready`);
  const { currentRevision, updateRevision } = set.status ?? {};
  const latest = checkHistory(
    truth,
    set,
    ({ metadata: { name } }) => [currentRevision, updateRevision, ...pods.map((pod) => pod.metadata.labels?.[HASH])].includes(name),
    check,
  );
  checkStatus(set, { replicas, readyReplicas: replicas, availableReplicas: replicas, updateRevision: latest?.metadata.name ?? 0 }, check);
  if (spec?.updateStrategy?.type !== 'RollingUpdate') return;
  const partition = start + (spec.updateStrategy.rollingUpdate?.partition ?? 0);
  for (const pod of pods) {
    const ordinal = Number(pod.metadata.name!.slice(metadata.name!.length + 1));
    check(ordinal < partition || pod.metadata.labels?.[HASH] === updateRevision, `${pod.metadata.name} is not of the new revision`);
  }
  if (partition <= start) checkStatus(set, { updatedReplicas: replicas, currentRevision: updateRevision ?? 0 }, check);
}

function checkDaemonSet(truth: Truth, daemonSet: DaemonSet, check: Check): void {
  const { name } = daemonSet.metadata;
  const nodes = truth.all('minions').filter(({ spec }) => !spec?.taints);
  const pods = podsOf(truth, daemonSet);
  const latest = checkHistory(
    truth,
    daemonSet,
    ({ metadata }) => pods.some((pod) => pod.metadata.labels?.[HASH] === metadata.labels?.[HASH]),
    check,
  );
  for (const node of nodes) {
    const there = pods.filter((pod) => nodeOf(pod) === node.metadata.name);
    check(there.length === 1 && isReady(there[0]!), `DaemonSet ${name} has ${there.length} pods on ${node.metadata.name}`);
    check(
      there.every((pod) => pod.metadata.labels?.[HASH] === latest?.metadata.labels?.[HASH]),
      `DaemonSet ${name} has an old pod on ${node.metadata.name}`,
    );
  }
  for (const pod of pods) {
    const node = truth.get('minions', nodeOf(pod) ?? '');
    check(
      !node?.spec?.taints?.some(({ effect }) => effect === 'NoExecute'),
      `DaemonSet ${name} has ${pod.metadata.name} on a node that throws it out`,
    );
  }
  const desired = nodes.length;
  checkStatus(
    daemonSet,
    {
      desiredNumberScheduled: desired,
      currentNumberScheduled: desired,
      numberAvailable: desired,
      numberReady: desired,
      updatedNumberScheduled: desired,
      numberUnavailable: 0,
    },
    check,
  );
}

function checkJob(truth: Truth, job: Job, check: Check): void {
  const { metadata, spec, status = {} } = job;
  const name = `Job ${metadata.name}`;
  const pods = podsOf(truth, job);
  const isOver = status.conditions?.some(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True') ?? false;
  const isComplete = status.conditions?.some(({ type, status }) => type === 'Complete' && status === 'True') ?? false;
  const mayStand = (spec?.suspend ?? false) || spec?.parallelism === 0;
  check(isOver || mayStand, `${name} is not finished: ${JSON.stringify(status)}`);
  if (mayStand && !isOver) check(pods.every(hasEnded), `${name} is stopped and has pods at work`);
  if (!isOver) return;
  check(pods.every(hasEnded), `${name} is over and has pods at work`);
  for (const pod of pods)
    check(pod.metadata.finalizers === undefined, `${pod.metadata.name} of ${name} keeps ${pod.metadata.finalizers?.join()}`);
  check(Object.keys(status.uncountedTerminatedPods ?? {}).length === 0, `${name} is over and has pods that are not counted`);
  check(
    (status.active ?? 0) === 0 && (status.ready ?? 0) === 0 && (status.terminating ?? 0) === 0,
    `${name} is over with ${JSON.stringify(status)}`,
  );
  if (!isComplete) return;
  check(status.succeeded === spec?.completions, `${name} is complete with ${status.succeeded} of ${spec?.completions}`);
  const all = spec?.completions === 1 ? '0' : `0-${spec!.completions! - 1}`;
  if (spec?.completionMode === 'Indexed')
    check(status.completedIndexes === all, `${name} is complete with indexes ${status.completedIndexes}`);
}
