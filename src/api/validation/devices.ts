/** Dynamic resource allocation: claims, templates, classes and slices (resource.k8s.io), and what pods say of claims. */
import { compareQuantities } from '../codec/quantity.ts';
import { semanticEqual } from '../patch/json.ts';
import type {
  Device,
  DeviceAttribute,
  DeviceClass,
  DeviceClaim,
  DeviceConstraint,
  DeviceRequest,
  DeviceSelector,
  DeviceToleration,
  ExactDeviceRequest,
  OpaqueDeviceConfiguration,
  PodSpec,
  ResourceClaimSpec,
  ResourceClaimTemplate,
  ResourceSlice,
  ResourceV1ResourceClaim as ResourceClaim,
} from '../types.gen.ts';
import { dns1123LabelProblems, dns1123SubdomainProblems } from './names.ts';
import { IMMUTABLE, type Problems } from './problems.ts';
import { checkNodeSelector } from './scheduling.ts';

const MAX_REQUESTS = 32;
const MAX_ALTERNATIVES = 8;
const MAX_USERS = 256;
const MAX_DEVICES = 128;
const MAX_ATTRIBUTES = 32;
const MAX_DRIVER_NAME = 63;
const MAX_TEXT = 64;
const MAX_EXPRESSION = 10 * 1024;
const MODES = ['All', 'ExactCount'];
const C_IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]{0,31}$/;
const VERSION = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;

export function checkResourceClaim(problems: Problems, { spec }: ResourceClaim): void {
  checkClaimSpec(problems, 'spec', spec);
}

export function checkResourceClaimUpdate(problems: Problems, { spec }: ResourceClaim, old: ResourceClaim): void {
  problems.immutable('spec', semanticEqual(spec, old.spec), spec);
}

export function checkResourceClaimTemplate(problems: Problems, { spec }: ResourceClaimTemplate): void {
  checkClaimSpec(problems, 'spec.spec', spec.spec);
}

export function checkResourceClaimTemplateUpdate(problems: Problems, { spec }: ResourceClaimTemplate, old: ResourceClaimTemplate): void {
  problems.immutable('spec', semanticEqual(spec, old.spec), spec);
}

/** Devices are given and taken as a whole, and only what is allocated can be reserved. */
export function checkResourceClaimStatus(problems: Problems, { status, metadata }: ResourceClaim, old: ResourceClaim): void {
  const { allocation, reservedFor = [] } = status ?? {};
  const before = old.status?.allocation;
  if (allocation && before) problems.immutable('status.allocation', semanticEqual(allocation, before), allocation);
  if (reservedFor.length > MAX_USERS) problems.tooMany('status.reservedFor', reservedFor.length, MAX_USERS);
  if (reservedFor.length > 0 && !allocation) problems.forbidden('status.reservedFor', 'may not be specified when `allocated` is not set');
  const known = new Set((old.status?.reservedFor ?? []).map(({ uid }) => uid));
  if (metadata.deletionTimestamp && reservedFor.some(({ uid }) => !known.has(uid)))
    problems.forbidden('status.reservedFor', 'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set');
  checkUnique(
    problems,
    'status.reservedFor',
    reservedFor,
    ({ uid }) => uid,
    (at) => `${at}.uid`,
  );
}

function checkClaimSpec(problems: Problems, path: string, { devices = {} }: ResourceClaimSpec): void {
  const at = `${path}.devices`;
  const { requests = [], constraints = [], config = [] } = devices;
  const names = requestNames(devices);
  checkSize(problems, `${at}.requests`, requests.length, MAX_REQUESTS);
  checkUnique(
    problems,
    `${at}.requests`,
    requests,
    ({ name }) => name,
    (each) => `${each}.name`,
  );
  for (const [index, request] of requests.entries()) checkRequest(problems, `${at}.requests[${index}]`, request);
  checkSize(problems, `${at}.constraints`, constraints.length, MAX_REQUESTS);
  for (const [index, constraint] of constraints.entries()) checkConstraint(problems, `${at}.constraints[${index}]`, constraint, names);
  checkSize(problems, `${at}.config`, config.length, MAX_REQUESTS);
  for (const [index, { requests: of = [], opaque }] of config.entries()) {
    checkReferences(problems, `${at}.config[${index}].requests`, of, names);
    checkOpaque(problems, `${at}.config[${index}]`, opaque);
  }
}

function requestNames({ requests = [] }: DeviceClaim): Set<string> {
  return new Set(requests.flatMap(({ name, firstAvailable = [] }) => [name, ...firstAvailable.map((each) => `${name}/${each.name}`)]));
}

function checkRequest(problems: Problems, path: string, { name, exactly, firstAvailable = [] }: DeviceRequest): void {
  checkLabelName(problems, `${path}.name`, name);
  if (exactly && firstAvailable.length > 0)
    problems.invalid(path, '', 'exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set');
  else if (!exactly && firstAvailable.length === 0) problems.required(path, 'exactly one of `exactly` or `firstAvailable` is required');
  if (exactly) checkWanted(problems, `${path}.exactly`, exactly);
  checkSize(problems, `${path}.firstAvailable`, firstAvailable.length, MAX_ALTERNATIVES);
  checkUnique(
    problems,
    `${path}.firstAvailable`,
    firstAvailable,
    (each) => each.name,
    (at) => `${at}.name`,
  );
  for (const [index, alternative] of firstAvailable.entries()) {
    checkLabelName(problems, `${path}.firstAvailable[${index}].name`, alternative.name);
    checkWanted(problems, `${path}.firstAvailable[${index}]`, alternative);
  }
}

function checkWanted(problems: Problems, path: string, wanted: ExactDeviceRequest): void {
  const { deviceClassName, selectors = [], allocationMode, count, tolerations = [] } = wanted;
  if (!deviceClassName) problems.required(`${path}.deviceClassName`);
  else problems.invalidEach(`${path}.deviceClassName`, deviceClassName, dns1123SubdomainProblems(deviceClassName));
  checkSelectors(problems, `${path}.selectors`, selectors);
  if (allocationMode === 'All' && count) problems.invalid(`${path}.count`, count, "must not be specified when allocationMode is 'All'");
  if (allocationMode === 'ExactCount' && (count ?? 0) <= 0) problems.invalid(`${path}.count`, count ?? 0, 'must be greater than zero');
  if (allocationMode && !MODES.includes(allocationMode)) problems.unsupported(`${path}.allocationMode`, allocationMode, MODES);
  for (const [index, toleration] of tolerations.entries()) checkToleration(problems, `${path}.tolerations[${index}]`, toleration);
}

function checkSelectors(problems: Problems, path: string, selectors: readonly DeviceSelector[]): void {
  checkSize(problems, path, selectors.length, MAX_REQUESTS);
  for (const [index, { cel }] of selectors.entries()) {
    const at = `${path}[${index}].cel`;
    if (!cel) problems.required(at);
    else if (!cel.expression) problems.required(`${at}.expression`);
    else if (cel.expression.length > MAX_EXPRESSION) problems.tooLong(`${at}.expression`, MAX_EXPRESSION);
  }
}

function checkToleration(problems: Problems, path: string, { key, operator, value, effect }: DeviceToleration): void {
  const operators = ['Equal', 'Exists'];
  if (operator && !operators.includes(operator)) problems.unsupported(`${path}.operator`, operator, operators);
  if (operator === 'Exists' && value) problems.invalid(`${path}.value`, value, 'must be empty for operator `Exists`');
  if (!key && operator !== 'Exists') problems.required(`${path}.key`, 'must be set for operator `Equal`');
  const effects = ['NoExecute', 'NoSchedule'];
  if (effect && !effects.includes(effect)) problems.unsupported(`${path}.effect`, effect, effects);
}

function checkConstraint(problems: Problems, path: string, constraint: DeviceConstraint, names: ReadonlySet<string>): void {
  const { requests = [], matchAttribute, distinctAttribute } = constraint;
  checkReferences(problems, `${path}.requests`, requests, names);
  const given = Object.entries({ matchAttribute, distinctAttribute }).filter(([, value]) => value !== undefined);
  if (given.length === 0) problems.required(path, 'exactly one of `matchAttribute` or `distinctAttribute` is required');
  else if (given.length > 1) problems.invalid(path, '', 'exactly one of `matchAttribute` or `distinctAttribute` is required');
  for (const [field, value] of given) {
    if (!value!.includes('/')) problems.invalid(`${path}.${field}`, value, 'must include the domain');
    else checkQualifiedName(problems, `${path}.${field}`, value!);
  }
}

function checkReferences(problems: Problems, path: string, references: readonly string[], names: ReadonlySet<string>): void {
  checkSize(problems, path, references.length, MAX_REQUESTS);
  checkUnique(
    problems,
    path,
    references,
    (each) => each,
    (at) => at,
  );
  for (const [index, reference] of references.entries()) {
    if (!names.has(reference))
      problems.invalid(
        `${path}[${index}]`,
        reference,
        "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'",
      );
  }
}

function checkOpaque(problems: Problems, path: string, opaque: OpaqueDeviceConfiguration | undefined): void {
  if (!opaque) return problems.required(`${path}.opaque`);
  checkDriver(problems, `${path}.opaque.driver`, opaque.driver);
  const parameters: unknown = opaque.parameters;
  if (parameters === undefined) problems.required(`${path}.opaque.parameters`);
  else if (typeof parameters !== 'object' || parameters === null || Array.isArray(parameters))
    problems.invalid(`${path}.opaque.parameters`, parameters, 'must be a valid JSON object');
}

export function checkDeviceClass(problems: Problems, { spec }: DeviceClass): void {
  checkSelectors(problems, 'spec.selectors', spec.selectors ?? []);
  checkSize(problems, 'spec.config', spec.config?.length ?? 0, MAX_REQUESTS);
  for (const [index, { opaque }] of (spec.config ?? []).entries()) checkOpaque(problems, `spec.config[${index}]`, opaque);
}

const PLACES = ['nodeName', 'nodeSelector', 'allNodes', 'perDeviceNodeSelection'] as const;
const ONE_PLACE = `exactly one of \`${PLACES.join('`, `')}\` is required`;

export function checkResourceSlice(problems: Problems, { spec }: ResourceSlice): void {
  const { driver, pool, devices = [], nodeSelector, sharedCounters } = spec;
  checkDriver(problems, 'spec.driver', driver);
  checkPool(problems, pool);
  const places = PLACES.filter((field) => spec[field]);
  if (places.length === 0) problems.required('spec', ONE_PLACE);
  else if (places.length > 1) problems.invalid('spec', `{${places.map((each) => `\`${each}\``).join(', ')}}`, ONE_PLACE);
  if (spec.nodeName) problems.invalidEach('spec.nodeName', spec.nodeName, dns1123SubdomainProblems(spec.nodeName));
  if (nodeSelector) {
    checkNodeSelector(problems, 'spec.nodeSelector', nodeSelector);
    const terms = (nodeSelector as Partial<typeof nodeSelector>).nodeSelectorTerms ?? [];
    if (terms.length !== 1) problems.invalid('spec.nodeSelector.nodeSelectorTerms', terms, 'must have exactly one node selector term');
  }
  if (devices.length > 0 && sharedCounters?.length) problems.invalid('spec', '', 'only one of `sharedCounters` or `devices` is allowed');
  checkSize(problems, 'spec.devices', devices.length, MAX_DEVICES);
  checkUnique(
    problems,
    'spec.devices',
    devices,
    ({ name }) => name,
    (at) => `${at}.name`,
  );
  for (const [index, device] of devices.entries()) checkDevice(problems, `spec.devices[${index}]`, device);
}

export function checkResourceSliceUpdate(problems: Problems, { spec }: ResourceSlice, { spec: old }: ResourceSlice): void {
  for (const field of ['driver', 'nodeName', 'allNodes'] as const)
    if ((spec[field] || undefined) !== (old[field] || undefined)) problems.invalid(`spec.${field}`, spec[field] ?? '', IMMUTABLE);
  if (spec.pool.name !== old.pool.name) problems.invalid('spec.pool.name', spec.pool.name, IMMUTABLE);
}

function checkPool(problems: Problems, { name, generation, resourceSliceCount }: ResourceSlice['spec']['pool']): void {
  if (!name) problems.required('spec.pool.name');
  for (const segment of (name ?? '').split('/').filter(() => name))
    problems.invalidEach('spec.pool.name', name, dns1123SubdomainProblems(segment));
  if (resourceSliceCount <= 0) problems.invalid('spec.pool.resourceSliceCount', resourceSliceCount, 'must be greater than zero');
  problems.nonNegative('spec.pool.generation', generation);
}

function checkDevice(problems: Problems, path: string, { name, attributes = {}, capacity = {} }: Device): void {
  checkLabelName(problems, `${path}.name`, name);
  const total = Object.keys(attributes).length + Object.keys(capacity).length;
  if (total > MAX_ATTRIBUTES)
    problems.invalid(path, total, `the total number of attributes and capacities must not exceed ${MAX_ATTRIBUTES}`);
  for (const [key, value] of Object.entries(attributes)) {
    checkQualifiedName(problems, `${path}.attributes[${key}]`, key);
    checkAttribute(problems, `${path}.attributes[${key}]`, value);
  }
  for (const [key, { value }] of Object.entries(capacity)) {
    checkQualifiedName(problems, `${path}.capacity[${key}]`, key);
    if (compareQuantities(value, '0') < 0) problems.invalid(`${path}.capacity[${key}].value`, value, 'must be greater than or equal to 0');
  }
}

function checkAttribute(problems: Problems, path: string, attribute: DeviceAttribute): void {
  const given = Object.values(attribute).filter((value) => value !== undefined).length;
  if (given === 0) problems.required(path, 'exactly one value must be specified');
  else if (given > 1) problems.invalid(path, attribute, 'exactly one value must be specified');
  const { string, version } = attribute;
  if ((string?.length ?? 0) > MAX_TEXT) problems.tooLong(`${path}.string`, MAX_TEXT);
  if (version === undefined) return;
  if (version.length > MAX_TEXT) problems.tooLong(`${path}.version`, MAX_TEXT);
  else if (!VERSION.test(version)) problems.invalid(`${path}.version`, version, 'must be a string compatible with semver.org spec 2.0.0');
}

function checkDriver(problems: Problems, path: string, driver: string | undefined): void {
  if (!driver) return problems.required(path);
  if (driver.length > MAX_DRIVER_NAME) problems.tooLong(path, MAX_DRIVER_NAME);
  problems.invalidEach(path, driver, dns1123SubdomainProblems(driver.toLowerCase()));
}

/** `name` or `domain/name`. */
function checkQualifiedName(problems: Problems, path: string, name: string): void {
  const [domain, identifier] = name.includes('/') ? name.split('/', 2) : [undefined, name];
  if (domain !== undefined) problems.invalidEach(path, domain, dns1123SubdomainProblems(domain));
  if (!C_IDENTIFIER.test(identifier))
    problems.invalid(
      path,
      identifier,
      "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')",
    );
}

function checkLabelName(problems: Problems, path: string, name: string | undefined): void {
  if (!name) problems.required(path);
  else problems.invalidEach(path, name, dns1123LabelProblems(name));
}

function checkSize(problems: Problems, path: string, size: number, max: number): void {
  if (size > max) problems.tooMany(path, size, max);
}

function checkUnique<T>(
  problems: Problems,
  path: string,
  items: readonly T[],
  keyOf: (item: T) => string,
  fieldOf: (at: string) => string,
): void {
  const seen = new Set<string>();
  for (const [index, item] of items.entries()) {
    const key = keyOf(item);
    if (key && seen.has(key)) problems.duplicate(fieldOf(`${path}[${index}]`), key);
    seen.add(key);
  }
}

/** A pod's claims, and what its containers take of them. */
export function checkPodClaims(problems: Problems, path: string, spec: PodSpec): void {
  const names = new Set<string>();
  for (const [index, { name, resourceClaimName, resourceClaimTemplateName }] of (spec.resourceClaims ?? []).entries()) {
    const at = `${path}.resourceClaims[${index}]`;
    checkLabelName(problems, `${at}.name`, name);
    if (names.has(name)) problems.duplicate(`${at}.name`, name);
    names.add(name);
    if (resourceClaimName && resourceClaimTemplateName)
      problems.invalid(
        at,
        spec.resourceClaims![index],
        'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified',
      );
    else if (!resourceClaimName && !resourceClaimTemplateName)
      problems.invalid(at, spec.resourceClaims![index], 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`');
    if (resourceClaimName) problems.invalidEach(`${at}.resourceClaimName`, resourceClaimName, dns1123SubdomainProblems(resourceClaimName));
    if (resourceClaimTemplateName)
      problems.invalidEach(
        `${at}.resourceClaimTemplateName`,
        resourceClaimTemplateName,
        dns1123SubdomainProblems(resourceClaimTemplateName),
      );
  }
  for (const field of ['initContainers', 'containers'] as const) {
    for (const [index, { resources }] of (spec[field] ?? []).entries()) {
      const at = `${path}.${field}[${index}].resources.claims`;
      const claims = resources?.claims ?? [];
      checkUnique(
        problems,
        at,
        claims,
        ({ name, request }) => (request ? `${name}/${request}` : name),
        (each) => each,
      );
      for (const [position, { name }] of claims.entries()) {
        if (!name) problems.required(`${at}[${position}]`);
        else if (!names.has(name)) problems.notFound(`${at}[${position}]`, name);
      }
    }
  }
}
