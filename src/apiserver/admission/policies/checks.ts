/** Whether policies and bindings are valid (upstream's admissionregistration validation): their expressions must compile. */
import type { KubeObject } from '../../../api/meta.ts';
import { semanticEqual } from '../../../api/patch/json.ts';
import type { FieldError } from '../../../api/status.ts';
import type {
  AuditAnnotation,
  MatchCondition,
  MutatingAdmissionPolicySpec,
  Mutation,
  ParamKind,
  Validation,
  ValidatingAdmissionPolicySpec,
  Variable,
} from '../../../api/types.gen.ts';
import { checkMatchConditions } from '../../../api/validation/admission-rules.ts';
import { dns1035LabelProblems, dns1123SubdomainProblems, qualifiedNameProblems } from '../../../api/validation/names.ts';
import { Problems } from '../../../api/validation/problems.ts';
import { checkMutatingBinding, checkValidatingBinding } from './check-bindings.ts';
import { checkMatchResources } from './check-rules.ts';
import { PolicyCompiler, type Returns } from './compile.ts';

/** The findings about an object of one of the four kinds. What an update leaves as it was is not judged again. */
export function policyFindings(kind: string, object: KubeObject, old?: KubeObject): FieldError[] {
  if (old && semanticEqual(object['spec'], old['spec'])) return [];
  const problems = new Problems();
  CHECKS[kind]?.(problems, (object['spec'] ?? {}) as never, object.metadata.name ?? '');
  return problems.found;
}

const CHECKS: Readonly<Record<string, (problems: Problems, spec: never, name: string) => void>> = {
  ValidatingAdmissionPolicy: checkValidatingPolicy,
  ValidatingAdmissionPolicyBinding: checkValidatingBinding,
  MutatingAdmissionPolicy: checkMutatingPolicy,
  MutatingAdmissionPolicyBinding: checkMutatingBinding,
};

const FAILURE_POLICIES = ['Fail', 'Ignore'];
const MAX_ANNOTATIONS = 20;
const MAX_VALUE_EXPRESSION = 5 * 1024;

function checkValidatingPolicy(problems: Problems, spec: ValidatingAdmissionPolicySpec, name: string): void {
  const compiler = checkCommon(problems, spec, false);
  const { validations = [], auditAnnotations = [] } = spec;
  if (validations.length === 0 && auditAnnotations.length === 0) {
    for (const field of ['validations', 'auditAnnotations'])
      problems.required(`spec.${field}`, 'validations or auditAnnotations must contain at least one item');
  }
  for (const [index, validation] of validations.entries())
    checkValidation(problems, `spec.validations[${index}]`, { validation, compiler });
  if (auditAnnotations.length > MAX_ANNOTATIONS)
    problems.invalid('spec.auditAnnotations', auditAnnotations, `must not have more than ${MAX_ANNOTATIONS} auditAnnotations`);
  const seen = new Set<string>();
  for (const [index, annotation] of auditAnnotations.entries()) {
    const path = `spec.auditAnnotations[${index}]`;
    checkAnnotation(problems, path, { annotation, compiler, name });
    if (seen.has(annotation.key)) problems.duplicate(`${path}.key`, annotation.key);
    seen.add(annotation.key);
  }
}

function checkMutatingPolicy(problems: Problems, spec: MutatingAdmissionPolicySpec): void {
  const compiler = checkCommon(problems, spec, true);
  const { mutations = [] } = spec;
  if (mutations.length === 0) problems.required('spec.mutations', 'mutations must contain at least one item');
  for (const [index, mutation] of mutations.entries()) checkMutation(problems, `spec.mutations[${index}]`, { mutation, compiler });
  problems.oneOf('spec.reinvocationPolicy', spec.reinvocationPolicy, ['IfNeeded', 'Never']);
}

/** Everything before what a policy does; the compiler knows its variables. */
function checkCommon(
  problems: Problems,
  spec: ValidatingAdmissionPolicySpec | MutatingAdmissionPolicySpec,
  mutates: boolean,
): PolicyCompiler {
  const { failurePolicy, paramKind, matchConstraints, matchConditions = [], variables = [] } = spec;
  problems.oneOf('spec.failurePolicy', failurePolicy, FAILURE_POLICIES);
  if (paramKind) checkParamKind(problems, paramKind);
  if (!matchConstraints) problems.required('spec.matchConstraints');
  else {
    checkMatchResources(problems, 'spec.matchConstraints', matchConstraints);
    if (!matchConstraints.resourceRules?.length) problems.required('spec.matchConstraints.resourceRules');
  }
  const compiler = new PolicyCompiler({ hasParams: paramKind !== undefined, variables, mutates });
  checkConditions(problems, matchConditions, new PolicyCompiler({ hasParams: paramKind !== undefined, variables: [] }));
  for (const [index, variable] of variables.entries())
    checkVariable(problems, `spec.variables[${index}]`, variable, compiler.variableProblems[index]!);
  return compiler;
}

function checkParamKind(problems: Problems, { apiVersion, kind }: ParamKind): void {
  if (!apiVersion) problems.required('spec.paramKind.apiVersion');
  else checkApiVersion(problems, apiVersion);
  if (!kind) return problems.required('spec.paramKind.kind');
  const wrong = dns1035LabelProblems(kind.toLowerCase());
  if (wrong.length > 0)
    problems.invalid('spec.paramKind.kind', kind, `may have mixed case, but should otherwise match: ${wrong.join(',')}`);
}

function checkApiVersion(problems: Problems, apiVersion: string): void {
  const path = 'spec.paramKind.apiVersion';
  const parts = apiVersion.split('/');
  if (parts.length > 2) return problems.invalid(path, apiVersion, `unexpected GroupVersion string: ${apiVersion}`);
  const version = parts.at(-1)!;
  const group = parts.length === 2 ? parts[0]! : '';
  const wrongGroup = group ? dns1123SubdomainProblems(group) : [];
  if (wrongGroup.length > 0) problems.invalid(path, group, wrongGroup.join(','));
  const wrong = dns1035LabelProblems(version);
  if (!version) problems.invalid(path, apiVersion, 'version must be specified');
  else if (wrong.length > 0) problems.invalid(path, version, wrong.join(','));
}

function checkConditions(problems: Problems, conditions: readonly MatchCondition[], compiler: PolicyCompiler): void {
  checkMatchConditions(problems, 'spec.matchConditions', conditions);
  for (const [index, { expression }] of conditions.entries()) {
    const trimmed = expression?.trim();
    if (trimmed)
      checkExpression(problems, `spec.matchConditions[${index}].expression`, { expression: trimmed, returns: ['bool'], compiler });
  }
}

const RESERVED = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(' '),
);

function checkVariable(problems: Problems, path: string, { name, expression }: Variable, problem: string): void {
  if (!name?.trim()) problems.required(`${path}.name`, 'name is not specified');
  else if (!/^[_a-zA-Z][_a-zA-Z0-9]*$/.test(name) || RESERVED.has(name))
    problems.invalid(`${path}.name`, name, 'name is not a valid CEL identifier');
  if (!expression?.trim()) problems.required(`${path}.expression`, 'expression is not specified');
  else if (problem) problems.invalid(`${path}.expression`, expression, problem);
}

interface Expression {
  expression: string;
  returns: Returns;
  compiler: PolicyCompiler;
}

function checkExpression(problems: Problems, path: string, { expression, returns, compiler }: Expression): void {
  const compiled = compiler.compile(expression, returns);
  if ('problem' in compiled) problems.invalid(path, expression, compiled.problem);
}

const REASONS = ['Forbidden', 'Invalid', 'RequestEntityTooLarge', 'Unauthorized'];

function checkValidation(
  problems: Problems,
  path: string,
  { validation, compiler }: { validation: Validation; compiler: PolicyCompiler },
): void {
  const { expression, message, messageExpression, reason } = validation;
  if (!expression?.trim()) problems.required(`${path}.expression`, 'expression is not specified');
  else checkExpression(problems, `${path}.expression`, { expression, returns: ['bool'], compiler });
  if (messageExpression) {
    const at = `${path}.messageExpression`;
    if (messageExpression.trim() === '') problems.invalid(at, messageExpression, 'must be non-empty if specified');
    else checkExpression(problems, at, { expression: messageExpression, returns: ['string'], compiler });
  }
  if (message) {
    const at = `${path}.message`;
    if (message.trim() === '') problems.invalid(at, message, 'message must be non-empty if specified');
    else if (/[\n\r]/.test(message.trim())) problems.invalid(at, message, 'message must not contain line breaks');
  }
  if (reason !== undefined && !REASONS.includes(reason)) problems.unsupported(`${path}.reason`, reason, REASONS);
}

interface AnnotationCheck {
  annotation: AuditAnnotation;
  compiler: PolicyCompiler;
  /** The policy's. */
  name: string;
}

function checkAnnotation(
  problems: Problems,
  path: string,
  { annotation: { key, valueExpression }, compiler, name }: AnnotationCheck,
): void {
  if (!name) problems.invalid(`${path}.key`, key, 'requires metadata.name be non-empty');
  else problems.invalidEach(`${path}.key`, `${name}/${key}`, qualifiedNameProblems(`${name}/${key}`));
  const at = `${path}.valueExpression`;
  const trimmed = valueExpression?.trim();
  if (!trimmed) problems.required(at, 'valueExpression is not specified');
  else if (trimmed.length > MAX_VALUE_EXPRESSION) problems.required(at, `must not exceed ${MAX_VALUE_EXPRESSION} bytes in length`);
  else checkExpression(problems, at, { expression: trimmed, returns: ['string', 'null_type'], compiler });
}

function checkMutation(problems: Problems, path: string, { mutation, compiler }: { mutation: Mutation; compiler: PolicyCompiler }): void {
  const forms = { ApplyConfiguration: 'applyConfiguration', JSONPatch: 'jsonPatch' } as const;
  const { patchType } = mutation;
  if (patchType !== 'ApplyConfiguration' && patchType !== 'JSONPatch')
    return problems.oneOf(`${path}.patchType`, patchType, Object.keys(forms));
  const field = forms[patchType];
  const other = patchType === 'JSONPatch' ? forms.ApplyConfiguration : forms.JSONPatch;
  if (mutation[other]) problems.invalid(`${path}.${other}`, '{}', `not allowed when patchType is ${patchType}`);
  const given = mutation[field];
  if (!given) return problems.required(`${path}.${field}`, `must be specified when patchType is ${patchType}`);
  const expression = given.expression ?? '';
  if (expression.trim() === '') return problems.required(`${path}.${field}.expression`, 'expression is not specified');
  const returns: Returns = patchType === 'JSONPatch' ? ['list(JSONPatch)'] : ['Object'];
  checkExpression(problems, `${path}.${field}.expression`, { expression, returns, compiler });
}
