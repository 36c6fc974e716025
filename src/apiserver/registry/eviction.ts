import { labelSelectorOf } from '../../api/selectors.ts';
import { statusError, StatusError } from '../../api/status.ts';
import { schemaOf } from '../../api/scheme.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { Eviction, Pod, PodCondition, PodDisruptionBudget } from '../../api/types.gen.ts';
import type { ServedResource } from '../resources.ts';
import type { Entry } from '../watch/entry.ts';
import { timestamp } from '../../api/time.ts';
import { admissionRequest, mutate, validateAdmission } from './admit.ts';
import { decodeOwnKind } from './decode.ts';
import { removeObject } from './delete.ts';
import { deleteOptions, writeOptions, type WriteOptions } from './options.ts';
import { namespaceOf, type Call, type Registry, type Result } from './registry.ts';
import { current, guardedChange, type Change, type StoreOptions } from './store.ts';
import { success } from './success.ts';

/** POST of an Eviction: a deletion that asks the pod's disruption budget first. */
export async function evictPod(registry: Registry, call: Call): Promise<Result> {
  const { context, served } = call;
  const options = writeOptions(context, 'CreateOptions');
  const kind = { kind: 'Eviction', versions: ['policy/v1', 'policy/v1beta1'], schema: schemaOf('policy', 'v1', 'Eviction')! };
  const eviction = await decodeOwnKind<Eviction>(call, kind, options.fieldValidation);
  const { name } = context.info;
  if (eviction.metadata.name && eviction.metadata.name !== name)
    throw statusError('BadRequest', `name in URL does not match name in Eviction object: ${name} ${eviction.metadata.name}`);
  await admitEviction(registry, call, eviction, options);
  const ref = { namespace: namespaceOf(call), name };
  const live = await current(registry, served, ref, context);
  const pod = live.object as unknown as Pod;
  const deletion = deleteOptions(context.query, eviction.deleteOptions ?? {});
  const dryRun = options.dryRun || deletion.dryRun;
  const budget = needsBudget(pod) ? budgetOf(registry, pod) : undefined;
  if (budget && !mayGoAnyway(pod, budget.object)) {
    await spend(registry, budget, name, { dryRun, waiter: context });
  }
  if (!dryRun)
    await guardedChange(registry, served, ref, (entry) => ({ put: disrupted(entry.object, timestamp(registry.clock.now())) }), {
      dryRun,
      waiter: context,
    });
  // The eviction was admitted: plugins are not asked about the deletion, too.
  await removeObject(
    { ...registry, admission: [] },
    call,
    { ...deletion, dryRun, preconditions: { uid: pod.metadata.uid!, ...deletion.preconditions } },
    name,
  );
  return success(201);
}

async function admitEviction(registry: Registry, call: Call, eviction: Eviction, { dryRun }: WriteOptions): Promise<void> {
  const object = eviction as unknown as KubeObject;
  await validateAdmission(registry, await mutate(registry, admissionRequest(call, { operation: 'CREATE', object, dryRun })));
}

/** Finished and pending pods, and those on their way out, disrupt nobody. */
function needsBudget({ metadata, status }: Pod): boolean {
  return !metadata.deletionTimestamp && status?.phase !== 'Succeeded' && status?.phase !== 'Failed' && status?.phase !== 'Pending';
}

interface Budget {
  served: ServedResource;
  entry: Entry;
  object: PodDisruptionBudget;
}

function budgetOf({ resources }: Registry, { metadata }: Pod): Budget | undefined {
  const served = resources.find('policy', 'v1', 'poddisruptionbudgets');
  if (!served) return undefined;
  const matching = served.cache
    .list(metadata.namespace)
    .filter((entry) => labelSelectorOf((entry.object as unknown as PodDisruptionBudget).spec?.selector).matchesLabels(metadata.labels));
  if (matching.length > 1) {
    throw statusError('InternalError', 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.');
  }
  const [entry] = matching;
  return entry && { served, entry, object: entry.object as unknown as PodDisruptionBudget };
}

/** An unready pod does not count as healthy, so that losing it costs nothing (unhealthyPodEvictionPolicy, KEP-3017). */
function mayGoAnyway({ status }: Pod, { spec, status: budget }: PodDisruptionBudget): boolean {
  const ready = status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True');
  if (ready) return false;
  if (spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  return (budget?.currentHealthy ?? 0) >= (budget?.desiredHealthy ?? 0) && (budget?.desiredHealthy ?? 0) > 0;
}

async function spend(registry: Registry, { served, entry }: Budget, pod: string, options: StoreOptions): Promise<void> {
  const ref = { namespace: entry.namespace, name: entry.name };
  const attempt = ({ object }: Entry): Change => ({ put: spent(object, pod, timestamp(registry.clock.now())) });
  try {
    await guardedChange(registry, served, ref, attempt, options);
  } catch (error) {
    // The budget went away in between: nothing protects the pod any more.
    if (!StatusError.is(error, 'NotFound')) throw error;
  }
}

function spent(object: KubeObject, pod: string, now: string): KubeObject {
  const { metadata, status } = object as unknown as PodDisruptionBudget;
  if ((status?.observedGeneration ?? 0) < (metadata.generation ?? 0)) {
    throw tooManyRequests(`The disruption budget ${metadata.name} is still being processed by the server.`, 10);
  }
  const allowed = status?.disruptionsAllowed ?? 0;
  if (allowed <= 0) {
    throw tooManyRequests(
      `The disruption budget ${metadata.name} needs ${status?.desiredHealthy ?? 0} healthy pods and has ${status?.currentHealthy ?? 0} currently`,
    );
  }
  return {
    ...object,
    metadata: { ...metadata },
    status: { ...status, disruptionsAllowed: allowed - 1, disruptedPods: { ...status?.disruptedPods, [pod]: now } },
  };
}

function tooManyRequests(why: string, retryAfterSeconds = 0): StatusError {
  const details = { causes: [{ reason: 'DisruptionBudget', message: why }], ...(retryAfterSeconds ? { retryAfterSeconds } : {}) };
  return statusError('TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", details);
}

function disrupted(object: KubeObject, now: string): KubeObject {
  const pod = object as unknown as Pod;
  const condition: PodCondition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
    lastTransitionTime: now,
  };
  const conditions = [...(pod.status?.conditions ?? []).filter(({ type }) => type !== 'DisruptionTarget'), condition];
  return { ...object, metadata: { ...object.metadata }, status: { ...pod.status, conditions } };
}
