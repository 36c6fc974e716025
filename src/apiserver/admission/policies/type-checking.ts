/** Checks the expressions of a policy against the kinds that it names, which evaluation does not: it takes objects as they come. */
import type { GroupVersionKind } from '../../../api/meta.ts';
import { parseGroupVersion } from '../../../api/meta.ts';
import type { ResourceInfo } from '../../../api/schema/schema.ts';
import type { ExpressionWarning, NamedRuleWithOperations, ValidatingAdmissionPolicy } from '../../../api/types.gen.ts';
import type { ResourceLookup } from '../../contract.ts';
import { PolicyCompiler, policyEnvironment } from './compile.ts';
import { declareSchema } from './schema-types.ts';

/** How many kinds are looked at. */
const MAX_KINDS = 10;

/** One warning for each expression that does not fit a kind; the texts name the kinds. */
export function typeWarnings({ spec }: ValidatingAdmissionPolicy, resources: ResourceLookup): ExpressionWarning[] {
  const kinds = kindsToCheck(spec?.matchConstraints?.resourceRules ?? [], resources);
  const params =
    spec?.paramKind && kindNamed(resources, { ...parseGroupVersion(spec.paramKind.apiVersion ?? ''), kind: spec.paramKind.kind ?? '' });
  const compilers = kinds.map((info) => ({ info, compiler: compilerFor(info, params, spec) }));
  const warnings: ExpressionWarning[] = [];
  const check = (fieldRef: string, expression: string | undefined): void => {
    if (!expression) return;
    const texts = compilers.flatMap(({ info, compiler }) => {
      const compiled = compiler.compile(expression, ['any']);
      return 'problem' in compiled ? [`${printed(info)}: ${compiled.problem.replace(/^compilation failed: /, '')}\n`] : [];
    });
    if (texts.length > 0) warnings.push({ fieldRef, warning: texts.join('\n') });
  };
  for (const [index, { expression, messageExpression }] of (spec?.validations ?? []).entries()) {
    check(`spec.validations[${index}].expression`, expression);
    check(`spec.validations[${index}].messageExpression`, messageExpression);
  }
  return warnings;
}

function compilerFor(info: ResourceInfo, params: ResourceInfo | undefined, spec: ValidatingAdmissionPolicy['spec']): PolicyCompiler {
  const hasParams = spec?.paramKind !== undefined;
  const env = policyEnvironment(hasParams, {
    object: (scope) => declareSchema(scope, info.schema, info.kind),
    // A kind of parameters that is also checked has its types already.
    ...(params ? { params: (scope) => declareSchema(scope, params.schema, `params.${params.kind}`) } : {}),
  });
  return new PolicyCompiler({ hasParams, variables: spec?.variables ?? [] }, env);
}

/** `apps/v1, Kind=Deployment` */
function printed({ group, version, kind }: GroupVersionKind): string {
  return `${group}/${version}, Kind=${kind}`;
}

function kindNamed(resources: ResourceLookup, { group, version, kind }: GroupVersionKind): ResourceInfo | undefined {
  return resources.all().find((info) => info.group === group && info.version === version && info.kind === kind);
}

/** The kinds that the rules name outright: with a star there is nothing to check against. By group, version and kind. */
function kindsToCheck(rules: readonly NamedRuleWithOperations[], resources: ResourceLookup): ResourceInfo[] {
  const found = new Set<ResourceInfo>();
  for (const { apiGroups = [], apiVersions = [], resources: names = [] } of rules) {
    if ([...apiGroups, ...apiVersions].some((text) => text.includes('*'))) continue;
    for (const group of apiGroups)
      for (const version of apiVersions)
        for (const name of names) {
          const info = /[*/]/.test(name) ? undefined : resources.find(group, version, name);
          if (info) found.add(info);
        }
  }
  return [...found].toSorted((a, b) => (printed(a) < printed(b) ? -1 : 1)).slice(0, MAX_KINDS);
}
