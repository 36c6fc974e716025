import type { PodSpec, PriorityClass } from '../../api/types.gen.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../contract.ts';
import type { Stored, StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { isFor, refuse } from './refuse.ts';

const GROUP = 'scheduling.k8s.io';

/** Writes into a pod the number and the preemption policy that its PriorityClass stands for, and keeps one class at most the global default. */
export function priorityAdmission(objects: StoredObjects): AdmissionPlugin {
  const classes = stored<PriorityClass>(objects, GROUP, 'v1', 'priorityclasses');
  return {
    name: 'Priority',
    async mutate(request) {
      if (request.operation !== 'CREATE' || !isFor(request, '', 'pods')) return undefined;
      return { ...request.object!, spec: await withPriority(request, request.object!['spec'] as PodSpec, classes) };
    },
    validate(request) {
      if (request.operation === 'DELETE' || !isFor(request, GROUP, 'priorityclasses')) return;
      const { globalDefault } = request.object as unknown as PriorityClass;
      const name = request.object!.metadata.name;
      if (!globalDefault) return;
      const other = classes.list().find((existing) => existing.globalDefault && existing.metadata.name !== name);
      if (other) throw refuse(request, `PriorityClass ${other.metadata.name} is already marked as global default`);
    },
  };
}

async function withPriority(request: AdmissionRequest, spec: PodSpec, classes: Stored<PriorityClass>): Promise<PodSpec> {
  const found = spec.priorityClassName ? await classes.find('', spec.priorityClassName) : globalDefault(classes);
  if (spec.priorityClassName && !found) throw refuse(request, `no PriorityClass with name ${spec.priorityClassName} was found`);
  const priority = found?.value ?? 0;
  const preemptionPolicy = found?.preemptionPolicy ?? 'PreemptLowerPriority';
  if (spec.priority !== undefined && spec.priority !== priority) {
    throw refuse(
      request,
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${priority} from the given PriorityClass name`,
    );
  }
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== preemptionPolicy) {
    throw refuse(
      request,
      `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${preemptionPolicy} from the given PriorityClass name`,
    );
  }
  return { ...spec, ...(found ? { priorityClassName: found.metadata.name } : {}), priority, preemptionPolicy };
}

/** Two defaults can only come from a race; upstream takes the lower. */
function globalDefault(classes: Stored<PriorityClass>): PriorityClass | undefined {
  return classes
    .list()
    .filter((candidate) => candidate.globalDefault)
    .toSorted((a, b) => (a.value ?? 0) - (b.value ?? 0))[0];
}
