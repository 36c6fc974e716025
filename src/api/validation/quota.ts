/** Quotas and limits of a namespace. */
import { compareQuantities, parseQuantity } from '../codec/quantity.ts';
import { semanticEqual } from '../patch/json.ts';
import type { LimitRange, LimitRangeItem, ResourceQuota } from '../types.gen.ts';
import { qualifiedNameProblems } from './names.ts';
import type { Problems } from './problems.ts';
import { checkQuantity } from './resources.ts';

const COUNTED = [
  'configmaps',
  'persistentvolumeclaims',
  'pods',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'services',
  'services.loadbalancers',
  'services.nodeports',
];
const COMPUTE = ['cpu', 'memory', 'ephemeral-storage'];
const QUOTA_RESOURCES = new Set([
  ...COUNTED,
  ...COMPUTE.flatMap((name) => [name, `requests.${name}`, `limits.${name}`]),
  'storage',
  'requests.storage',
]);
/** `nanos` of one. */
const NANOS = 1_000_000_000n;
const LIMIT_TYPES = ['Pod', 'Container', 'PersistentVolumeClaim'];

export function checkResourceQuota(problems: Problems, { spec }: ResourceQuota): void {
  for (const [name, quantity] of Object.entries(spec?.hard ?? {})) {
    const path = `spec.hard[${name}]`;
    problems.invalidEach(path, name, qualifiedNameProblems(name));
    if (!name.includes('/') && !QUOTA_RESOURCES.has(name) && !/^(requests\.)?hugepages-/.test(name))
      problems.invalid(path, name, 'must be a standard resource for quota');
    checkQuantity(problems, path, quantity);
    if (COUNTED.includes(name) && !isWhole(quantity)) problems.invalid(path, quantity, 'must be an integer');
  }
  const scopes = new Set(spec?.scopes ?? []);
  for (const [one, other] of CONFLICTING)
    if (scopes.has(one) && scopes.has(other)) problems.invalid('spec.scopes', spec?.scopes, 'conflicting scopes');
  for (const [index, { scopeName, operator, values = [] }] of (spec?.scopeSelector?.matchExpressions ?? []).entries()) {
    const path = `spec.scopeSelector.matchExpressions[${index}]`;
    const isListed = operator === 'In' || operator === 'NotIn';
    if (ONLY_EXISTS.has(scopeName) && operator !== 'Exists')
      problems.invalid(
        `${path}.operator`,
        operator,
        "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity",
      );
    else if (isListed && values.length === 0)
      problems.required(`${path}.values`, "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
    else if (!isListed && values.length > 0)
      problems.invalid(`${path}.values`, values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector");
  }
}

const CONFLICTING = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const;
const ONLY_EXISTS = new Set(['Terminating', 'NotTerminating', 'BestEffort', 'NotBestEffort', 'CrossNamespacePodAffinity']);

function isWhole(quantity: string): boolean {
  return parseQuantity(quantity).nanos % NANOS === 0n;
}

/** What counts is chosen once: another choice is another quota. */
export function checkResourceQuotaUpdate(problems: Problems, { spec }: ResourceQuota, old: ResourceQuota): void {
  const sorted = (scopes: readonly string[] | undefined): string[] => [...(scopes ?? [])].toSorted();
  problems.immutable('spec.scopes', semanticEqual(sorted(spec?.scopes), sorted(old.spec?.scopes)), spec?.scopes);
}

type Amounts = Readonly<Record<string, string>> | undefined;

export function checkLimitRange(problems: Problems, { spec }: LimitRange): void {
  const types = new Set<string>();
  for (const [index, limit] of (spec?.limits ?? []).entries()) {
    const path = `spec.limits[${index}]`;
    checkLimitType(problems, `${path}.type`, limit.type);
    if (types.has(limit.type)) problems.duplicate(`${path}.type`, limit.type);
    types.add(limit.type);
    const { max, min, defaultRequest } = limit;
    const defaults = (limit as { default?: Amounts }).default;
    checkForType(problems, path, limit, defaults);
    for (const [field, amounts] of Object.entries({ max, min, default: defaults, defaultRequest }))
      for (const name of Object.keys(amounts ?? {})) checkLimited(problems, `${path}.${field}[${name}]`, name);
    checkOrder(problems, `${path}.min`, ['min', min], ['max', max]);
    checkOrder(problems, `${path}.defaultRequest`, ['min', min], ['default request', defaultRequest]);
    checkOrder(problems, `${path}.defaultRequest`, ['default request', defaultRequest], ['max', max]);
    checkOrder(problems, `${path}.defaultRequest`, ['default request', defaultRequest], ['default', defaults]);
    checkOrder(problems, `${path}.default`, ['min', min], ['default', defaults]);
    checkOrder(problems, `${path}.default`, ['default', defaults], ['max', max]);
  }
}

function checkLimitType(problems: Problems, path: string, type: string): void {
  problems.invalidEach(path, type, qualifiedNameProblems(type));
  if (!type.includes('/') && !LIMIT_TYPES.includes(type)) problems.invalid(path, type, 'must be a standard limit type or fully qualified');
}

function checkForType(problems: Problems, path: string, limit: LimitRangeItem, defaults: Amounts): void {
  const { type, min, max, defaultRequest, maxLimitRequestRatio = {} } = limit;
  if (type === 'Pod') {
    if (Object.keys(defaults ?? {}).length > 0) problems.forbidden(`${path}.default`, "may not be specified when `type` is 'Pod'");
    if (Object.keys(defaultRequest ?? {}).length > 0)
      problems.forbidden(`${path}.defaultRequest`, "may not be specified when `type` is 'Pod'");
  }
  if (type === 'PersistentVolumeClaim' && min?.['storage'] === undefined && max?.['storage'] === undefined)
    problems.required(`${path}.limits`, 'either minimum or maximum storage value is required, but neither was provided');
  for (const [name, ratio] of Object.entries(maxLimitRequestRatio))
    if (compareQuantities(ratio, '1') < 0)
      problems.invalid(`${path}.maxLimitRequestRatio[${name}]`, ratio, `ratio ${ratio} is less than 1`);
}

function checkLimited(problems: Problems, path: string, name: string): void {
  problems.invalidEach(path, name, qualifiedNameProblems(name));
  if (!name.includes('/') && !COMPUTE.includes(name) && name !== 'storage' && !name.startsWith('hugepages-') && !QUOTA_RESOURCES.has(name))
    problems.invalid(path, name, 'must be a standard resource type or fully qualified');
}

/** What must not be more than another amount of the same resource. */
function checkOrder(problems: Problems, path: string, [lowName, low]: [string, Amounts], [highName, high]: [string, Amounts]): void {
  for (const [resource, amount] of Object.entries(low ?? {})) {
    const bound = high?.[resource];
    if (bound !== undefined && compareQuantities(amount, bound) > 0)
      problems.invalid(`${path}[${resource}]`, amount, `${lowName} value ${amount} is greater than ${highName} value ${bound}`);
  }
}
