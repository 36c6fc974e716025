/** ValidatingAdmissionPolicy (KEP-3488): evaluates what a request meets, and refuses, warns or notes. */
import { BUDGET_EXCEEDED, Budget } from '../../../api/crd/cel/budget.ts';
import type { CompileProblem, Program } from '../../../api/crd/cel/program.ts';
import { STATUS_CODES, type StatusError } from '../../../api/status.ts';
import type { AuditAnnotation, Validation, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding } from '../../../api/types.gen.ts';
import type { AdmissionRequest } from '../../contract.ts';
import { compileConditions, type MatchConditions } from '../matching/conditions.ts';
import { refuse } from '../refuse.ts';
import type { Configured } from './catalog.ts';
import { evaluate, PolicyCompiler } from './compile.ts';
import type { PolicyMetrics } from './metrics.ts';
import { Invocations, meetsConditions, withParam, type Inputs, type PolicyOptions } from './invocations.ts';

type Policy = ValidatingAdmissionPolicy;
type Binding = ValidatingAdmissionPolicyBinding;
export type Validator = (configured: readonly Configured<Policy, Binding>[], request: AdmissionRequest) => Promise<void>;

/** A judge of requests. Throws StatusError for what a policy denies. */
export function policyValidator({ metrics, ...context }: PolicyOptions): Validator {
  const invocations = new Invocations(context);
  const compiled = new WeakMap<Policy, CompiledPolicy>();
  const compiledOf = (policy: Policy): CompiledPolicy => {
    let own = compiled.get(policy);
    if (!own) compiled.set(policy, (own = compilePolicy(policy)));
    return own;
  };
  return async (configured, request) => {
    const denials: Denial[] = [];
    const notes = new AuditNotes();
    const inputs = new Map<string, Inputs>();
    for (const found of await invocations.of(configured, request)) {
      const { policy, binding } = found;
      if ('error' in found) {
        if (fails(policy)) denials.push({ policy, binding, message: `failed to configure binding: ${found.error}` });
        continue;
      }
      const version = `${found.matched.group}/${found.matched.version}`;
      let seen = inputs.get(version);
      if (!seen) inputs.set(version, (seen = await invocations.inputs(request, found.matched)));
      const outcome = compiledOf(policy).judge(withParam(seen, found.param));
      denials.push(...enforce(outcome, { policy, binding, request, notes, metrics }));
    }
    notes.publish(request);
    if (denials.length > 0) throw denied(request, denials[0]!);
  };
}

function fails({ spec }: Policy): boolean {
  return spec?.failurePolicy !== 'Ignore';
}

interface Denial {
  policy: Policy;
  binding: Binding;
  message: string;
  reason?: string;
}

/** `index` is that of the validation. */
interface Failure {
  index: number;
  message: string;
  reason?: string;
  /** It could not be evaluated. */
  isError?: boolean;
}

interface Outcome {
  failures: Failure[];
  annotations: { key: string; value: string }[];
  /** Of audit annotations: they deny whatever the actions are. */
  annotationErrors: string[];
}

interface CompiledPolicy {
  judge(inputs: Record<string, unknown>): Outcome;
}

interface CompiledValidation {
  validation: Validation;
  check: Program | CompileProblem;
  message: Program | CompileProblem | undefined;
}

interface CompiledAnnotation {
  annotation: AuditAnnotation;
  value: Program | CompileProblem;
}

function compilePolicy(policy: Policy): CompiledPolicy {
  const { matchConditions = [], variables = [], validations = [], auditAnnotations = [], paramKind } = policy.spec ?? {};
  const compiler = new PolicyCompiler({ hasParams: paramKind !== undefined, variables });
  const parts: Parts = {
    name: policy.metadata.name ?? '',
    failsClosed: fails(policy),
    conditions: compileConditions(matchConditions, compiler.conditionScope),
    validations: validations.map((validation) => ({
      validation,
      check: compiler.compile(validation.expression, ['bool']),
      message: validation.messageExpression ? compiler.compile(validation.messageExpression, ['string']) : undefined,
    })),
    annotations: auditAnnotations.map((annotation) => ({
      annotation,
      value: compiler.compile(annotation.valueExpression, ['string', 'null_type']),
    })),
  };
  return { judge: (inputs) => judge(parts, inputs, () => compiler.withVariables(inputs)) };
}

interface Parts {
  name: string;
  failsClosed: boolean;
  conditions: MatchConditions;
  validations: readonly CompiledValidation[];
  annotations: readonly CompiledAnnotation[];
}

function judge(parts: Parts, inputs: Record<string, unknown>, withVariables: () => Record<string, unknown>): Outcome {
  const outcome: Outcome = { failures: [], annotations: [], annotationErrors: [] };
  const met = meetsConditions(parts.conditions, inputs);
  if (met instanceof Error && parts.failsClosed) outcome.failures.push({ index: 0, message: met.message, isError: true });
  if (met !== true) return outcome;
  const all = withVariables();
  const budget = new Budget();
  for (const [index, validation] of parts.validations.entries()) {
    const failure = budget.isSpent ? { error: BUDGET_EXCEEDED } : budget.paying(() => failureOf(validation, all));
    if (failure && 'message' in failure) outcome.failures.push({ index, ...failure });
    else if (failure && parts.failsClosed) outcome.failures.push({ index, message: failure.error, isError: true });
  }
  const annotationBudget = new Budget();
  for (const { annotation, value } of parts.annotations) {
    const evaluated = annotationBudget.paying(() => evaluate(annotation.valueExpression, value, all));
    if ('error' in evaluated) {
      if (parts.failsClosed)
        outcome.annotationErrors.push(`valueExpression '${annotation.valueExpression}' resulted in error: ${evaluated.error}`);
    } else if (typeof evaluated.value === 'string' && evaluated.value.trim() !== '') {
      outcome.annotations.push({ key: `${parts.name}/${annotation.key}`, value: evaluated.value.slice(0, MAX_ANNOTATION) });
    }
  }
  return outcome;
}

/** Characters of an audit annotation's value; what is longer is cut. */
const MAX_ANNOTATION = 10 * 1024;
/** Bytes of an evaluated message; a longer one is not used. */
const MAX_MESSAGE = 5 * 1024;

function failureOf(
  { validation, check, message }: CompiledValidation,
  inputs: Record<string, unknown>,
): { message: string; reason?: string } | { error: string } | undefined {
  const evaluated = evaluate(validation.expression, check, inputs);
  if ('error' in evaluated) return evaluated;
  if (evaluated.value === true) return undefined;
  const said = message && evaluate(validation.messageExpression!, message, inputs);
  const text = said && 'value' in said && typeof said.value === 'string' ? said.value.trim() : '';
  const usable = text !== '' && Buffer.byteLength(text) <= MAX_MESSAGE && !text.includes('\n') ? text : validation.message?.trim();
  return {
    message: usable || `failed expression: ${validation.expression.trim()}`,
    ...(validation.reason ? { reason: validation.reason } : {}),
  };
}

interface Enforcement {
  policy: Policy;
  binding: Binding;
  request: AdmissionRequest;
  notes: AuditNotes;
  metrics: PolicyMetrics;
}

/** What the binding's actions make of an outcome. */
function enforce(
  { failures, annotations, annotationErrors }: Outcome,
  { policy, binding, request, notes, metrics }: Enforcement,
): Denial[] {
  const denials: Denial[] = [];
  const { validationActions } = binding.spec;
  for (const failure of failures) {
    const { message, reason } = failure;
    for (const action of validationActions) {
      metrics.count({ policy, binding, action: action.toLowerCase(), error: failure.isError === true });
      if (action === 'Deny') denials.push({ policy, binding, message, ...(reason ? { reason } : {}) });
      else if (action === 'Warn')
        request.warn(
          `Validation failed for ValidatingAdmissionPolicy '${policy.metadata.name}' with binding '${binding.metadata.name}': ${message}`,
        );
      else if (action === 'Audit') notes.addFailure(policy, binding, failure);
    }
  }
  if (failures.length === 0) metrics.count({ policy, binding, action: 'allow', error: false });
  for (const { key, value } of annotations) notes.add(key, value);
  for (const message of annotationErrors) denials.push({ policy, binding, message });
  return denials;
}

function denied(request: AdmissionRequest, { policy, binding, message, reason = 'Invalid' }: Denial): StatusError {
  const text = `ValidatingAdmissionPolicy '${policy.metadata.name}' with binding '${binding.metadata.name}' denied request: ${message}`;
  const error = refuse(request, text);
  error.status.reason = reason;
  error.status.code = REASON_CODES[reason] ?? STATUS_CODES.Invalid;
  error.status.details!.causes = [...(error.status.details!.causes ?? []), { message: text }];
  return error;
}

const REASON_CODES: Readonly<Record<string, number>> = {
  Forbidden: STATUS_CODES.Forbidden,
  Unauthorized: STATUS_CODES.Unauthorized,
  RequestEntityTooLarge: STATUS_CODES.RequestEntityTooLarge,
  Invalid: STATUS_CODES.Invalid,
};

/** What the audit log is told: one list of failures, and each annotation's distinct values. */
class AuditNotes {
  readonly #failures: object[] = [];
  readonly #annotations = new Map<string, Set<string>>();

  addFailure(policy: Policy, binding: Binding, { index, message }: Failure): void {
    this.#failures.push({
      message,
      policy: policy.metadata.name,
      binding: binding.metadata.name,
      expressionIndex: index,
      validationActions: binding.spec.validationActions,
    });
  }

  add(key: string, value: string): void {
    const values = this.#annotations.get(key) ?? new Set();
    this.#annotations.set(key, values.add(value));
  }

  publish(request: AdmissionRequest): void {
    if (this.#failures.length > 0) request.annotate?.(FAILURES, JSON.stringify(this.#failures));
    for (const [key, values] of this.#annotations) request.annotate?.(key, [...values].join(', '));
  }
}

const FAILURES = 'validation.policy.admission.k8s.io/validation_failure';
