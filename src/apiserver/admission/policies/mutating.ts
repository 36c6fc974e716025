/** MutatingAdmissionPolicy (KEP-3962): changes objects by what its expressions make of them. */
import { applyDefaults } from '../../../api/defaults/defaults.ts';
import type { KubeObject } from '../../../api/meta.ts';
import { Budget } from '../../../api/crd/cel/budget.ts';
import type { CompileProblem, Program } from '../../../api/crd/cel/program.ts';
import { cloneJson, semanticEqual } from '../../../api/patch/json.ts';
import type { ResourceInfo, Schema } from '../../../api/schema/schema.ts';
import { schemaOf } from '../../../api/scheme.ts';
import { STATUS_CODES, statusError, type StatusError } from '../../../api/status.ts';
import type { MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding } from '../../../api/types.gen.ts';
import type { AdmissionRequest, MutationRounds } from '../../contract.ts';
import { compileConditions, type MatchConditions } from '../matching/conditions.ts';
import { fromVersion, kindOf } from '../matching/versions.ts';
import { refuse } from '../refuse.ts';
import type { Configured } from './catalog.ts';
import { evaluate, PolicyCompiler } from './compile.ts';
import { Invocations, meetsConditions, withParam, type Invocation, type PolicyOptions } from './invocations.ts';
import { applyConfiguration, applyPatch, MutationError } from './patches.ts';
import { Reinvocations } from './reinvocation.ts';

type Policy = MutatingAdmissionPolicy;
type Binding = MutatingAdmissionPolicyBinding;
export type Mutator = (configured: readonly Configured<Policy, Binding>[], request: AdmissionRequest) => Promise<KubeObject | undefined>;

/** A changer of objects. Throws StatusError for what cannot be changed as a policy demands. */
export function policyMutator({ metrics, ...context }: PolicyOptions): Mutator {
  const invocations = new Invocations(context);
  const compiled = new WeakMap<Policy, CompiledPolicy>();
  const memories = new WeakMap<MutationRounds, Reinvocations>();
  const compiledOf = (policy: Policy): CompiledPolicy => {
    let own = compiled.get(policy);
    if (!own) compiled.set(policy, (own = compilePolicy(policy)));
    return own;
  };
  return async (configured, request) => {
    if (!request.object) return undefined;
    const memory = memoryOf(memories, request.rounds);
    memory.begin(request.object);
    const errors: PolicyFailure[] = [];
    let now = request;
    for (const found of await invocations.of(configured, request)) {
      const { policy, binding } = found;
      if ('error' in found) {
        errors.push({ policy, binding, message: found.error });
        continue;
      }
      const before = errors.length;
      const object = await invoke(found, { now, invocations, compiled: compiledOf(policy), memory, errors });
      const error = errors.length > before;
      metrics.count({ policy, binding, action: error && policy.spec?.failurePolicy !== 'Ignore' ? 'deny' : 'allow', error });
      if (object) now = { ...now, object };
    }
    memory.end(now.object!);
    const counting = errors.filter(({ policy }) => policy.spec?.failurePolicy !== 'Ignore');
    if (counting.length > 0) throw denied(request, counting);
    return now.object;
  };
}

function memoryOf(memories: WeakMap<MutationRounds, Reinvocations>, rounds: MutationRounds | undefined): Reinvocations {
  if (!rounds) return new Reinvocations(undefined);
  let memory = memories.get(rounds);
  if (!memory) memories.set(rounds, (memory = new Reinvocations(rounds)));
  return memory;
}

interface PolicyFailure {
  policy: Policy;
  binding: Binding;
  message: string;
}

interface CompiledPolicy {
  conditions: MatchConditions;
  mutations: readonly CompiledMutation[];
  withVariables(inputs: object): Record<string, unknown>;
}

interface CompiledMutation {
  expression: string;
  program: Program | CompileProblem;
  apply: (schema: Schema, object: KubeObject, value: unknown) => KubeObject;
}

function compilePolicy({ spec }: Policy): CompiledPolicy {
  const { matchConditions = [], variables = [], mutations = [], paramKind } = spec ?? {};
  const compiler = new PolicyCompiler({ hasParams: paramKind !== undefined, variables, mutates: true });
  return {
    conditions: compileConditions(matchConditions, compiler.conditionScope),
    mutations: mutations.map(({ patchType, applyConfiguration: configuration, jsonPatch }) => {
      const isApply = patchType === 'ApplyConfiguration';
      const expression = (isApply ? configuration?.expression : jsonPatch?.expression) ?? '';
      return {
        expression,
        program: compiler.compile(expression, isApply ? ['Object'] : ['list(JSONPatch)']),
        apply: isApply ? applyConfiguration : applyPatch,
      };
    }),
    withVariables: (inputs) => compiler.withVariables(inputs),
  };
}

interface Turn {
  now: AdmissionRequest;
  invocations: Invocations;
  compiled: CompiledPolicy;
  memory: Reinvocations;
  errors: PolicyFailure[];
}

/** The object after all mutations of one policy; undefined where it does not apply or changes nothing. */
async function invoke(
  invocation: Invocation<Policy, Binding>,
  { now, invocations, compiled, memory, errors }: Turn,
): Promise<KubeObject | undefined> {
  const { policy, binding, matched, param } = invocation;
  const fail = (message: string): void => void errors.push({ policy, binding, message });
  const met = meetsConditions(compiled.conditions, withParam(await invocations.inputs(now, matched), param));
  if (met instanceof Error) fail(met.message);
  if (met !== true) return undefined;
  const key = [policy, binding, param].map((each) => `${each?.metadata.namespace ?? ''}/${each?.metadata.name ?? ''}`).join(' ');
  if (!memory.mayInvoke(key)) return undefined;
  let request = now;
  for (const mutation of compiled.mutations) {
    const object = await mutated(request, { mutation, compiled, invocations, invocation, fail });
    if (object) request = { ...request, object };
  }
  const hasChanged = !semanticEqual(now.object, request.object);
  memory.invoked(key, { hasChanged, isReinvocable: policy.spec?.reinvocationPolicy === 'IfNeeded' });
  return hasChanged ? request.object : undefined;
}

interface Attempt {
  mutation: CompiledMutation;
  compiled: CompiledPolicy;
  invocations: Invocations;
  invocation: Invocation<Policy, Binding>;
  fail: (message: string) => void;
}

async function mutated(
  request: AdmissionRequest,
  { mutation, compiled, invocations, invocation, fail }: Attempt,
): Promise<KubeObject | undefined> {
  const { matched, param } = invocation;
  const inputs = await invocations.inputs(request, matched);
  const all = compiled.withVariables(withParam(inputs, param));
  const evaluated = new Budget().paying(() => evaluate(mutation.expression, mutation.program, all));
  if ('error' in evaluated) {
    fail(evaluated.error);
    return undefined;
  }
  try {
    const patched = mutation.apply(schemaFor(request, matched), inputs.objects.object!, evaluated.value);
    return await finished(request, patched, { matched, stored: invocations.storedForm(request.resource) });
  } catch (error) {
    if (!(error instanceof MutationError)) throw error;
    fail(error.message);
    return undefined;
  }
}

/** What a subresource takes has a schema of its own. Throws StatusError 503 for a kind that has none. */
function schemaFor({ subresource }: AdmissionRequest, matched: ResourceInfo): Schema {
  const { group, version, kind } = kindOf(matched, subresource);
  const schema = kind === matched.kind ? matched.schema : schemaOf(group, version, kind);
  if (!schema) throw statusError('ServiceUnavailable', `Resource kind ${group}/${version}, Kind=${kind} not found.`);
  return schema;
}

/** Back in the version of the chain, with what a client's object would be given by default. */
async function finished(
  request: AdmissionRequest,
  patched: KubeObject,
  { matched, stored }: { matched: ResourceInfo; stored: ResourceInfo },
): Promise<KubeObject> {
  const object = await fromVersion(request, matched, patched);
  return patched.kind === stored.kind ? applyDefaults(stored, cloneJson(object)) : object;
}

/** The first failure speaks for all; each is a cause (upstream's generic policy dispatcher). */
function denied(request: AdmissionRequest, errors: readonly PolicyFailure[]): StatusError {
  const texts = errors.map(
    ({ policy, binding, message }) => `policy '${policy.metadata.name}' with binding '${binding.metadata.name}' denied request: ${message}`,
  );
  const error = refuse(request, 'admission request denied by policy');
  error.message = texts[0]!;
  error.status.message = texts[0]!;
  error.status.reason = 'Invalid';
  error.status.code = STATUS_CODES.Forbidden;
  error.status.details!.causes = [...(error.status.details!.causes ?? []), ...texts.map((message) => ({ message }))];
  return error;
}
