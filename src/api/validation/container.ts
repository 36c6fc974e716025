/** Containers of pods: names, ports, environment, mounts, probes. Paths and messages are those of pkg/apis/core/validation. */
import type {
  Container,
  ContainerPort,
  ContainerResizePolicy,
  EnvVar,
  EnvVarSource,
  ExecAction,
  HTTPGetAction,
  LifecycleHandler,
  PodSpec,
  Probe,
  VolumeMount,
} from '../types.gen.ts';
import { configKeyProblems, dns1123LabelProblems, envNameProblems, ipProblems, portNameProblems, portNumberProblems } from './names.ts';
import { checkContainerSecurity } from './pod-fields.ts';
import type { Problems } from './problems.ts';
import { checkResources } from './resources.ts';
import { forbidForEphemeral } from './ephemeral.ts';

const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'];
const TERMINATION_POLICIES = ['FallbackToLogsOnError', 'File'];
const RESTART_POLICIES = ['Always', 'Never', 'OnFailure'];
const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];

/** All containers of a pod. Their names are unique across the kinds of containers. */
export function checkContainers(problems: Problems, path: string, spec: PodSpec): void {
  const names = new Set<string>();
  const hostPorts = new Set<string>();
  const volumes = new Set((spec.volumes ?? []).map(({ name }) => name));
  const all = [
    ...(spec.initContainers ?? []).map((container, index) => ({ container, at: `${path}.initContainers[${index}]`, init: true })),
    ...(spec.containers ?? []).map((container, index) => ({ container, at: `${path}.containers[${index}]`, init: false })),
    ...(spec.ephemeralContainers ?? []).map((container, index) => ({
      container: container as Container,
      at: `${path}.ephemeralContainers[${index}]`,
      init: false,
    })),
  ];
  if (!spec.containers?.length) problems.required(`${path}.containers`);
  for (const { container, at, init } of all) {
    checkName(problems, `${at}.name`, container.name, names);
    checkContainer(problems, at, container, volumes);
    checkPorts(problems, `${at}.ports`, container.ports ?? [], {
      hostNetwork: spec.hostNetwork === true,
      hostPorts: init && container.restartPolicy !== 'Always' ? new Set() : hostPorts,
    });
    checkResizePolicy(problems, `${at}.resizePolicy`, container.resizePolicy ?? [], spec.restartPolicy);
    if (init && container.restartPolicy !== 'Always') forbidForInit(problems, at, container);
    else if (spec.ephemeralContainers?.includes(container)) forbidForEphemeral(problems, at, container, spec);
    else checkContainerProbes(problems, at, container);
  }
}

function checkName(problems: Problems, path: string, name: string | undefined, names: Set<string>): void {
  if (!name) return problems.required(path);
  problems.invalidEach(path, name, dns1123LabelProblems(name));
  if (names.has(name)) problems.duplicate(path, name);
  names.add(name);
}

function checkContainer(problems: Problems, path: string, container: Container, volumes: ReadonlySet<string>): void {
  const { image } = container;
  if (!image) problems.required(`${path}.image`);
  else if (image.trim() !== image) problems.invalid(`${path}.image`, image, 'must not have leading or trailing whitespace');
  problems.oneOf(`${path}.imagePullPolicy`, container.imagePullPolicy, PULL_POLICIES);
  problems.oneOf(`${path}.terminationMessagePolicy`, container.terminationMessagePolicy, TERMINATION_POLICIES);
  for (const [index, variable] of (container.env ?? []).entries()) checkEnv(problems, `${path}.env[${index}]`, variable);
  checkEnvFrom(problems, `${path}.envFrom`, container);
  checkMounts(problems, `${path}.volumeMounts`, container.volumeMounts ?? [], volumes);
  checkDevices(problems, `${path}.volumeDevices`, container, volumes);
  if (container.resources) checkResources(problems, `${path}.resources`, container.resources);
  if (container.lifecycle?.postStart) checkHandler(problems, `${path}.lifecycle.postStart`, container.lifecycle.postStart);
  if (container.lifecycle?.preStop) checkHandler(problems, `${path}.lifecycle.preStop`, container.lifecycle.preStop);
  if (container.securityContext) checkContainerSecurity(problems, `${path}.securityContext`, container.securityContext);
  if (container.restartPolicy !== undefined) problems.oneOf(`${path}.restartPolicy`, container.restartPolicy, RESTART_POLICIES);
}

/** Upstream names the list, not its item, but for a resource that is there twice. */
function checkResizePolicy(
  problems: Problems,
  path: string,
  policies: readonly ContainerResizePolicy[],
  restartPolicy: string | undefined,
): void {
  const seen = new Set<string>();
  for (const [index, policy] of policies.entries()) {
    if (seen.has(policy.resourceName)) problems.duplicate(`${path}[${index}]`, policy.resourceName);
    seen.add(policy.resourceName);
    requiredOneOf(problems, path, policy.resourceName, ['cpu', 'memory']);
    requiredOneOf(problems, path, policy.restartPolicy, ['NotRequired', 'RestartContainer']);
    if (restartPolicy === 'Never' && policy.restartPolicy !== 'NotRequired')
      problems.invalid(path, policy.restartPolicy, "must be 'NotRequired' when `restartPolicy` is 'Never'");
  }
}

function requiredOneOf(problems: Problems, path: string, value: string, known: readonly string[]): void {
  if (!value) problems.required(path);
  else problems.oneOf(path, value, known);
}

/** An init container that must end before the next begins can be neither probed nor hooked. */
function forbidForInit(problems: Problems, path: string, container: Container): void {
  if (container.resizePolicy?.length)
    problems.invalid(`${path}.resizePolicy`, container.resizePolicy, 'must not be set for init containers');
  for (const field of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    if (container[field]) problems.forbidden(`${path}.${field}`, 'may not be set for init containers without restartPolicy=Always');
  }
}

function checkContainerProbes(problems: Problems, path: string, { livenessProbe, readinessProbe, startupProbe }: Container): void {
  if (livenessProbe) checkProbe(problems, `${path}.livenessProbe`, livenessProbe);
  if (readinessProbe) checkProbe(problems, `${path}.readinessProbe`, readinessProbe);
  if (startupProbe) checkProbe(problems, `${path}.startupProbe`, startupProbe);
  for (const [name, probe] of [
    ['livenessProbe', livenessProbe],
    ['startupProbe', startupProbe],
  ] as const) {
    if (probe?.successThreshold !== undefined && probe.successThreshold !== 1)
      problems.invalid(`${path}.${name}.successThreshold`, probe.successThreshold, 'must be 1');
  }
  const grace = readinessProbe?.terminationGracePeriodSeconds;
  if (grace !== undefined)
    problems.invalid(`${path}.readinessProbe.terminationGracePeriodSeconds`, grace, 'must not be set for readinessProbes');
}

function checkProbe(problems: Problems, path: string, probe: Probe): void {
  checkHandler(problems, path, probe);
  for (const field of ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'] as const)
    problems.nonNegative(`${path}.${field}`, probe[field]);
  const grace = probe.terminationGracePeriodSeconds;
  if (grace !== undefined && grace <= 0) problems.invalid(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than 0');
}

/** Exactly one way to ask or to act. */
function checkHandler(problems: Problems, path: string, handler: LifecycleHandler & Probe): void {
  const given = (['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const).filter((kind) => handler[kind]);
  if (given.length === 0) problems.required(path, 'must specify a handler type');
  for (const kind of given.slice(1)) problems.forbidden(`${path}.${kind}`, 'may not specify more than 1 handler type');
  switch (given[0]) {
    case 'exec':
      return checkExec(problems, `${path}.exec`, handler.exec!);
    case 'httpGet':
      return checkHttpGet(problems, `${path}.httpGet`, handler.httpGet!);
    case 'tcpSocket':
      return checkPort(problems, `${path}.tcpSocket.port`, handler.tcpSocket!.port);
    case 'grpc':
      return checkPort(problems, `${path}.grpc.port`, handler.grpc!.port);
    case 'sleep':
    case undefined:
      return;
  }
}

function checkExec(problems: Problems, path: string, { command }: ExecAction): void {
  if (!command?.length) problems.required(`${path}.command`);
}

function checkHttpGet(problems: Problems, path: string, { path: url, port, scheme }: HTTPGetAction): void {
  if (!url) problems.required(`${path}.path`);
  checkPort(problems, `${path}.port`, port);
  if (scheme !== undefined && scheme !== 'HTTP' && scheme !== 'HTTPS') problems.unsupported(`${path}.scheme`, scheme, ['HTTP', 'HTTPS']);
}

/** A port by number or by the name of a container's port. */
export function checkPort(problems: Problems, path: string, port: number | string): void {
  problems.invalidEach(path, port, typeof port === 'number' ? portNumberProblems(port) : portNameProblems(port));
}

function checkPorts(
  problems: Problems,
  path: string,
  ports: readonly ContainerPort[],
  { hostNetwork, hostPorts }: { hostNetwork: boolean; hostPorts: Set<string> },
): void {
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const at = `${path}[${index}]`;
    if (port.name) {
      const wrong = portNameProblems(port.name);
      problems.invalidEach(`${at}.name`, port.name, wrong);
      if (wrong.length === 0 && names.has(port.name)) problems.duplicate(`${at}.name`, port.name);
      names.add(port.name);
    }
    if (!port.containerPort) problems.required(`${at}.containerPort`);
    else problems.invalidEach(`${at}.containerPort`, port.containerPort, portNumberProblems(port.containerPort));
    problems.oneOf(`${at}.protocol`, port.protocol, PROTOCOLS);
    if (!port.hostPort) continue;
    problems.invalidEach(`${at}.hostPort`, port.hostPort, portNumberProblems(port.hostPort));
    if (hostNetwork && port.hostPort !== port.containerPort)
      problems.invalid(`${at}.containerPort`, port.containerPort, 'must match `hostPort` when `hostNetwork` is true');
    if (port.hostIP) problems.invalidEach(`${at}.hostIP`, port.hostIP, ipProblems(port.hostIP));
    const key = `${port.protocol}/${port.hostIP ?? ''}/${port.hostPort}`;
    if (hostPorts.has(key)) problems.duplicate(`${at}.hostPort`, key);
    hostPorts.add(key);
  }
}

function checkEnv(problems: Problems, path: string, { name, value, valueFrom }: EnvVar): void {
  if (!name) problems.required(`${path}.name`);
  else problems.invalidEach(`${path}.name`, name, envNameProblems(name));
  if (valueFrom) checkEnvSource(problems, `${path}.valueFrom`, valueFrom, value);
}

const ENV_SOURCES = ['fieldRef', 'resourceFieldRef', 'configMapKeyRef', 'secretKeyRef', 'fileKeyRef'] as const;

function checkEnvSource(problems: Problems, path: string, source: EnvVarSource, value: string | undefined): void {
  const given = ENV_SOURCES.filter((kind) => source[kind]);
  if (given.length === 0)
    problems.invalid(
      path,
      '',
      `must specify one of: ${ENV_SOURCES.slice(0, -1)
        .map((kind) => `\`${kind}\``)
        .join(', ')} or \`fileKeyRef\``,
    );
  else if (value) problems.invalid(path, '', 'may not be specified when `value` is not empty');
  if (given.length > 1) problems.invalid(path, '', 'may not have more than one field specified at a time');
  if (source.fieldRef) checkFieldPath(problems, `${path}.fieldRef`, source.fieldRef.fieldPath);
  if (source.resourceFieldRef) checkResourceReference(problems, `${path}.resourceFieldRef`, source.resourceFieldRef);
  for (const kind of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const reference = source[kind];
    if (!reference) continue;
    if (!reference.name) problems.required(`${path}.${kind}.name`);
    if (!reference.key) problems.required(`${path}.${kind}.key`);
    else problems.invalidEach(`${path}.${kind}.key`, reference.key, configKeyProblems(reference.key));
  }
}

const AMOUNTS = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];
const CPU_DIVISORS = ['1m', '1'];
const BYTE_DIVISORS = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'];

function checkResourceReference(
  problems: Problems,
  path: string,
  { resource, divisor = '0' }: NonNullable<EnvVarSource['resourceFieldRef']>,
): void {
  if (!resource) return problems.required(`${path}.resource`);
  if (/^(limits|requests)\.hugepages-/.test(resource)) return;
  if (!AMOUNTS.includes(resource)) return problems.unsupported(`${path}.resource`, resource, AMOUNTS);
  const [, name] = resource.split('.') as [string, string];
  const divisors = name === 'cpu' ? CPU_DIVISORS : BYTE_DIVISORS;
  if (divisor === '0' || divisors.includes(divisor)) return;
  const words = name === 'cpu' ? '1m and 1' : divisors.join(', ');
  const of = name === 'ephemeral-storage' ? 'local ephemeral storage' : name;
  problems.invalid(`${path}.divisor`, resource, `only divisor's values ${words} are supported with the ${of} resource`);
}

const FIELD_PATHS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];

function checkFieldPath(problems: Problems, path: string, fieldPath: string | undefined): void {
  if (!fieldPath) return problems.required(`${path}.fieldPath`);
  if (FIELD_PATHS.includes(fieldPath) || /^metadata\.(annotations|labels)\['[^']+'\]$/.test(fieldPath)) return;
  problems.invalid(`${path}.fieldPath`, fieldPath, `error converting fieldPath: field label not supported: ${fieldPath}`);
}

function checkEnvFrom(problems: Problems, path: string, { envFrom }: Container): void {
  for (const [index, source] of (envFrom ?? []).entries()) {
    const at = `${path}[${index}]`;
    if (source.prefix) problems.invalidEach(`${at}.prefix`, source.prefix, envNameProblems(source.prefix));
    const given = (['configMapRef', 'secretRef'] as const).filter((kind) => source[kind]);
    if (given.length === 0) problems.invalid(at, '', 'must specify one of: `configMapRef` or `secretRef`');
    if (given.length > 1) problems.invalid(at, '', 'may not have more than one field specified at a time');
    for (const kind of given) if (!source[kind]!.name) problems.required(`${at}.${kind}.name`);
  }
}

function checkMounts(problems: Problems, path: string, mounts: readonly VolumeMount[], volumes: ReadonlySet<string>): void {
  const places = new Set<string>();
  for (const [index, mount] of mounts.entries()) {
    const at = `${path}[${index}]`;
    if (!mount.name) problems.required(`${at}.name`);
    else if (!volumes.has(mount.name)) problems.notFound(`${at}.name`, mount.name);
    if (!mount.mountPath) problems.required(`${at}.mountPath`);
    else if (places.has(mount.mountPath)) problems.invalid(`${at}.mountPath`, mount.mountPath, 'must be unique');
    places.add(mount.mountPath);
    for (const field of ['subPath', 'subPathExpr'] as const) if (mount[field]) checkLocalPath(problems, `${at}.${field}`, mount[field]);
    if (mount.subPath && mount.subPathExpr)
      problems.invalid(`${at}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive');
  }
}

/** A path that cannot lead out of its volume. */
export function checkLocalPath(problems: Problems, path: string, value: string): void {
  if (value.startsWith('/')) problems.invalid(path, value, 'must be a relative path');
  checkNoBackSteps(problems, path, value);
}

export function checkNoBackSteps(problems: Problems, path: string, value: string): void {
  if (value.split('/').includes('..')) problems.invalid(path, value, "must not contain '..'");
}

function checkDevices(problems: Problems, path: string, { volumeDevices }: Container, volumes: ReadonlySet<string>): void {
  for (const [index, device] of (volumeDevices ?? []).entries()) {
    if (!device.name) problems.required(`${path}[${index}].name`);
    else if (!volumes.has(device.name)) problems.notFound(`${path}[${index}].name`, device.name);
    if (!device.devicePath) problems.required(`${path}[${index}].devicePath`);
  }
}
