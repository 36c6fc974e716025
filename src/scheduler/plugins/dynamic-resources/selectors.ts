/** CEL selectors of device classes and requests (the field `selectors[].cel.expression`). */
import type { Device, DeviceAttribute } from '../../../api/types.gen.ts';
import { kubernetesEnvironment } from '../../../api/crd/cel/environment.ts';
import { compileProgram, type Program } from '../../../api/crd/cel/program.ts';
import type { DeviceMatcher } from './device-objects.ts';

type Values = Map<string, unknown>;
const NOTHING: Values = new Map();
const MAX_PROGRAMS = 500;

/** Keeps what it compiled, and the answers for each device object: slices are read only, so an answer holds while its device is there. */
export function deviceMatcher(): DeviceMatcher {
  const scope = kubernetesEnvironment().registerVariable('device', 'map');
  const values = kubernetesEnvironment().registerVariable('text', 'string');
  const programs = new Map<string, Program>();
  const answers = new WeakMap<Device, Map<string, boolean>>();
  const variables = new WeakMap<Device, Readonly<Record<string, unknown>>>();

  const programOf = (expression: string): Program => {
    const known = programs.get(expression);
    if (known) return known;
    const program = compileProgram(scope, withInOperator(expression));
    if ('problem' in program) throw new Error(program.problem);
    if (programs.size >= MAX_PROGRAMS) programs.delete(programs.keys().next().value!);
    programs.set(expression, program);
    return program;
  };
  const of = (kind: 'quantity' | 'semver', text: string): unknown => values.evaluate(`${kind}(text)`, { text });
  const variableOf = (driver: string, device: Device): Readonly<Record<string, unknown>> => {
    let known = variables.get(device);
    if (!known) variables.set(device, (known = deviceVariable(driver, device, of)));
    return known;
  };

  return (expression, driver, device) => {
    let known = answers.get(device);
    if (!known) answers.set(device, (known = new Map()));
    let answer = known.get(expression);
    if (answer === undefined) {
      const value = programOf(expression).run({ device: variableOf(driver, device) });
      if (typeof value !== 'boolean') throw new Error(`expression returned ${String(value)}, a boolean was expected`);
      known.set(expression, (answer = value));
    }
    return answer;
  };
}

/** The library's `has` knows no index before the field (`has(device.attributes["x"].y)`); `in` says the same. */
function withInOperator(expression: string): string {
  return expression.replaceAll(
    /\bhas\(\s*(device\.(?:attributes|capacity)\[\s*(?:"[^"]*"|'[^']*')\s*\])\.([A-Za-z_]\w*)\s*\)/g,
    '("$2" in $1)',
  );
}

type ValueOf = (kind: 'quantity' | 'semver', text: string) => unknown;

function deviceVariable(driver: string, device: Device, of: ValueOf): Readonly<Record<string, unknown>> {
  const capacity = Object.entries(device.capacity ?? {}).map(([name, { value }]) => [name, of('quantity', value)] as const);
  const attributes = Object.entries(device.attributes ?? {}).map(([name, value]) => [name, attributeValue(value, of)] as const);
  return {
    driver,
    allowMultipleAllocations: device.allowMultipleAllocations ?? false,
    attributes: byDomain(attributes, driver),
    capacity: byDomain(capacity, driver),
  };
}

function attributeValue({ bool, int, string, version }: DeviceAttribute, of: ValueOf): unknown {
  if (int !== undefined) return BigInt(int);
  if (version !== undefined) return of('semver', version);
  return bool ?? string;
}

/** Names without a domain are in the driver's; a domain that nobody has is an empty one. */
function byDomain(entries: readonly (readonly [string, unknown])[], driver: string): Map<string, Values> {
  const domains = new Map<string, Values>();
  for (const [qualified, value] of entries) {
    const slash = qualified.indexOf('/');
    const domain = slash === -1 ? driver : qualified.slice(0, slash);
    let values = domains.get(domain);
    if (!values) domains.set(domain, (values = new Map()));
    values.set(qualified.slice(slash + 1), value);
  }
  // An own property: the library accepts no subclass.
  domains.get = (domain) => (Map.prototype.get.call(domains, domain) as Values | undefined) ?? NOTHING;
  return domains;
}
