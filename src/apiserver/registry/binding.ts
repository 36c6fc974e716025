import { conflict, invalid, type FieldError } from '../../api/status.ts';
import { schemaOf } from '../../api/scheme.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { Binding, Pod, PodCondition } from '../../api/types.gen.ts';
import type { Entry } from '../watch/entry.ts';
import { admissionRequest, mutate, validateAdmission } from './admit.ts';
import { timestamp } from '../../api/time.ts';
import { decodeOwnKind } from './decode.ts';
import { trackManager } from './managers.ts';
import { writeOptions } from './options.ts';
import { namespaceOf, type Call, type Registry, type Result } from './registry.ts';
import { guardedChange, type Change } from './store.ts';
import { success } from './success.ts';

/** POST of a Binding: the scheduler gives a pod to a node. */
export async function bindPod(registry: Registry, call: Call): Promise<Result> {
  const { context, served } = call;
  const options = writeOptions(context, 'CreateOptions');
  const schema = schemaOf('', 'v1', 'Binding')!;
  const binding = await decodeOwnKind<Binding>(call, { kind: 'Binding', versions: ['v1'], schema }, options.fieldValidation);
  const name = context.info.name || binding.metadata.name!;
  checkTarget(binding, name);
  const subject = {
    operation: 'CREATE',
    object: binding as unknown as KubeObject,
    dryRun: options.dryRun,
    name,
    subresource: 'binding',
  } as const;
  const request = await mutate(registry, admissionRequest(call, subject));
  await validateAdmission(registry, request);
  const admitted = request.object as unknown as Binding;
  const attempt = (live: Entry): Change => {
    const object = bound(live, admitted, timestamp(registry.clock.now()));
    return { put: trackManager(registry, { call, object, options, live: live.object }) };
  };
  await guardedChange(registry, served, { namespace: namespaceOf(call), name }, attempt, { dryRun: options.dryRun, waiter: context });
  return success(201);
}

function checkTarget({ target }: Binding, name: string): void {
  const errors: FieldError[] = [];
  if (target?.kind && target.kind !== 'Node')
    errors.push({
      field: 'target.kind',
      type: 'FieldValueNotSupported',
      message: `Unsupported value: "${target.kind}": supported values: "Node", "<empty>"`,
    });
  if (!target?.name) errors.push({ field: 'target.name', type: 'FieldValueRequired', message: 'Required value' });
  if (errors.length > 0) throw invalid('Binding', '', name, errors);
}

/** Upstream's assignPod: once, to a pod that is not going, the one that was meant. */
function bound(live: Entry, { metadata, target }: Binding, now: string): KubeObject {
  const pod = live.object as unknown as Pod;
  const refuse = (why: string): Error => conflict('pods/binding', '', live.name, why);
  if (metadata.uid && metadata.uid !== pod.metadata.uid)
    throw refuse(`Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${pod.metadata.uid}`);
  if (pod.metadata.deletionTimestamp) throw refuse(`pod ${live.name} is being deleted, cannot be assigned to a host`);
  if (pod.spec!.nodeName) throw refuse(`pod ${live.name} is already assigned to node "${pod.spec!.nodeName}"`);
  if (pod.spec!.schedulingGates?.length) throw refuse(`pod ${live.name} has non-empty .spec.schedulingGates`);
  const annotations = metadata.annotations ? { annotations: { ...pod.metadata.annotations, ...metadata.annotations } } : {};
  const labels = metadata.labels ? { labels: { ...pod.metadata.labels, ...metadata.labels } } : {};
  return {
    ...live.object,
    metadata: { ...pod.metadata, ...annotations, ...labels },
    spec: { ...pod.spec, nodeName: target.name },
    status: { ...pod.status, conditions: scheduled(pod.status?.conditions ?? [], now) },
  };
}

function scheduled(conditions: readonly PodCondition[], now: string): PodCondition[] {
  const condition: PodCondition = { type: 'PodScheduled', status: 'True', lastTransitionTime: now };
  return [...conditions.filter(({ type }) => type !== 'PodScheduled'), condition];
}
