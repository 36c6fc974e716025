/** Whether bindings of policies are valid. */
import type { MutatingAdmissionPolicyBindingSpec, ParamRef, ValidatingAdmissionPolicyBindingSpec } from '../../../api/types.gen.ts';
import { dns1123SubdomainProblems, pathSegmentProblems } from '../../../api/validation/names.ts';
import type { Problems } from '../../../api/validation/problems.ts';
import { checkSelector } from '../../../api/validation/scheduling.ts';
import { checkMatchResources } from './check-rules.ts';

export function checkValidatingBinding(problems: Problems, spec: ValidatingAdmissionPolicyBindingSpec): void {
  checkMutatingBinding(problems, spec);
  checkActions(problems, spec.validationActions ?? []);
}

export function checkMutatingBinding(problems: Problems, spec: MutatingAdmissionPolicyBindingSpec): void {
  const { policyName, paramRef, matchResources } = spec;
  if (!policyName) problems.required('spec.policyName');
  else problems.invalidEach('spec.policyName', policyName, dns1123SubdomainProblems(policyName));
  if (paramRef) checkParamRef(problems, paramRef);
  if (matchResources) checkMatchResources(problems, 'spec.matchResources', matchResources);
}

const ONE_OF_TWO = 'name and selector are mutually exclusive';
const NOT_FOUND_ACTIONS = ['Deny', 'Allow'];

function checkParamRef(problems: Problems, { name, selector, parameterNotFoundAction }: ParamRef): void {
  const path = 'spec.paramRef';
  if (name) {
    problems.invalidEach(`${path}.name`, name, pathSegmentProblems(name));
    if (selector) problems.forbidden(`${path}.name`, ONE_OF_TWO);
  }
  if (selector) {
    checkSelector(problems, `${path}.selector`, selector);
    if (name) problems.forbidden(`${path}.selector`, ONE_OF_TWO);
  }
  if (!name && !selector) problems.required(path, 'one of name or selector must be specified');
  problems.oneOf(`${path}.parameterNotFoundAction`, parameterNotFoundAction, NOT_FOUND_ACTIONS);
}

const ACTIONS = ['Audit', 'Deny', 'Warn'];

function checkActions(problems: Problems, actions: readonly string[]): void {
  const path = 'spec.validationActions';
  for (const [index, action] of actions.entries()) {
    if (!ACTIONS.includes(action)) problems.unsupported(`${path}[${index}]`, action, ACTIONS);
    if (actions.indexOf(action) < index) problems.duplicate(`${path}[${index}]`, action);
  }
  if (actions.includes('Deny') && actions.includes('Warn'))
    problems.invalid(
      path,
      actions,
      'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
    );
  if (actions.length === 0) problems.required(path, 'at least one validation action is required');
}
