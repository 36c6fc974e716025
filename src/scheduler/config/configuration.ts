/** KubeSchedulerConfiguration, kubescheduler.config.k8s.io/v1: read, checked and with its defaults. */
import { parse } from 'yaml';
import { Problems } from '../../api/validation/problems.ts';
import { errorMessage } from '../../lib/errors.ts';
import { EXTENSION_POINTS, type ExtensionPoint } from '../framework.ts';
import { ARGUMENTS, checkArguments } from './arguments.ts';
import { checkShape, type Kind, type Shape } from './shape.ts';
import { validateConfiguration } from './validate.ts';

export interface SchedulerConfiguration {
  /** Extenders are asked about at most so many nodes' worth of work at a time; cycles themselves run one after the other. */
  parallelism: number;
  /** 0: by the size of the cluster. */
  percentageOfNodesToScore: number;
  podInitialBackoffSeconds: number;
  podMaxBackoffSeconds: number;
  leaderElection: LeaderElection;
  profiles: readonly ProfileConfiguration[];
  extenders: readonly ExtenderConfiguration[];
}

/** Durations as Go writes them (`15s`). */
export interface LeaderElection {
  leaderElect: boolean;
  leaseDuration: string;
  renewDeadline: string;
  retryPeriod: string;
  resourceLock: string;
  resourceName: string;
  resourceNamespace: string;
}

export interface ProfileConfiguration {
  schedulerName: string;
  percentageOfNodesToScore?: number;
  plugins?: PluginsConfiguration;
  pluginConfig?: readonly { name: string; args?: unknown }[];
}

export type PluginsConfiguration = Partial<Record<ExtensionPoint | 'multiPoint', PluginSet>>;

export interface PluginSet {
  enabled?: readonly { name: string; weight?: number }[];
  /** `*`: all that are enabled by default. */
  disabled?: readonly { name: string }[];
}

export interface ExtenderConfiguration {
  urlPrefix: string;
  filterVerb?: string;
  prioritizeVerb?: string;
  preemptVerb?: string;
  bindVerb?: string;
  weight?: number;
  enableHTTPS?: boolean;
  tlsConfig?: ExtenderTls;
  httpTimeout?: string;
  nodeCacheCapable?: boolean;
  managedResources?: readonly { name: string; ignoredByScheduler?: boolean }[];
  ignorable?: boolean;
}

/** Files by path, or their contents as base64. */
export interface ExtenderTls {
  insecure?: boolean;
  serverName?: string;
  certFile?: string;
  keyFile?: string;
  caFile?: string;
  certData?: string;
  keyData?: string;
  caData?: string;
}

/** What is wrong with a configuration: one line for each field. */
export class SchedulerConfigurationError extends Error {
  override readonly name = 'SchedulerConfigurationError';
}

export const DEFAULT_SCHEDULER_NAME = 'default-scheduler';
const API_VERSION = 'kubescheduler.config.k8s.io/v1';
const KIND = 'KubeSchedulerConfiguration';

const DEFAULTS: SchedulerConfiguration = {
  parallelism: 16,
  percentageOfNodesToScore: 0,
  podInitialBackoffSeconds: 1,
  podMaxBackoffSeconds: 10,
  leaderElection: {
    leaderElect: true,
    leaseDuration: '15s',
    renewDeadline: '10s',
    retryPeriod: '2s',
    resourceLock: 'leases',
    resourceName: 'kube-scheduler',
    resourceNamespace: 'kube-system',
  },
  profiles: [{ schedulerName: DEFAULT_SCHEDULER_NAME }],
  extenders: [],
};

/** What kube-scheduler does without a file. */
export function defaultConfiguration(schedulerName = DEFAULT_SCHEDULER_NAME): SchedulerConfiguration {
  return { ...DEFAULTS, profiles: [{ schedulerName }] };
}

/** Reads YAML or JSON. Throws SchedulerConfigurationError with every field that is wrong. */
export function parseSchedulerConfiguration(text: string): SchedulerConfiguration {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new SchedulerConfigurationError(`the scheduler's configuration is no YAML: ${errorMessage(error)}`, { cause: error });
  }
  const findings = structureFindings(value);
  if (findings.length > 0) throw new SchedulerConfigurationError(findings.join('\n'));
  const configuration = withDefaults(value as Partial<SchedulerConfiguration>);
  const problems = new Problems();
  validateConfiguration(configuration, problems);
  checkArguments(configuration.profiles, problems);
  if (problems.found.length > 0)
    throw new SchedulerConfigurationError(problems.found.map(({ field, message }) => `${field}: ${message}`).join('\n'));
  return configuration;
}

function structureFindings(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [`the scheduler's configuration must be an object of kind ${KIND}`];
  const { apiVersion, kind } = value as { apiVersion?: unknown; kind?: unknown };
  if (kind !== KIND) return [`kind: Unsupported value: ${JSON.stringify(kind ?? '')}: supported values: "${KIND}"`];
  if (apiVersion !== API_VERSION)
    return [`apiVersion: Unsupported value: ${JSON.stringify(apiVersion ?? '')}: supported values: "${API_VERSION}"`];
  const findings: string[] = [];
  checkShape(value, { object: CONFIGURATION }, '', findings);
  if (findings.length > 0) return findings;
  for (const [index, profile] of ((value as Partial<SchedulerConfiguration>).profiles ?? []).entries()) {
    for (const [at, { name, args }] of (profile.pluginConfig ?? []).entries()) {
      const known = ARGUMENTS[name];
      if (known && args)
        checkShape(
          args,
          { object: { apiVersion: 'text', kind: 'text', ...known } },
          `profiles[${index}].pluginConfig[${at}].args`,
          findings,
        );
    }
  }
  return findings;
}

function withDefaults(given: Partial<SchedulerConfiguration>): SchedulerConfiguration {
  const profiles = given.profiles?.length ? given.profiles : DEFAULTS.profiles;
  const merged = { ...DEFAULTS, ...given, leaderElection: { ...DEFAULTS.leaderElection, ...given.leaderElection } };
  return {
    ...merged,
    extenders: given.extenders ?? [],
    // One profile needs no name of its own.
    profiles: profiles.length === 1 ? [{ ...profiles[0]!, schedulerName: profiles[0]!.schedulerName ?? DEFAULT_SCHEDULER_NAME }] : profiles,
  };
}

const PLUGIN_SET: Kind = {
  object: {
    enabled: { list: { object: { name: 'text', weight: 'int' } } },
    disabled: { list: { object: { name: 'text', weight: 'int' } } },
  },
};

const PROFILE: Shape = {
  schedulerName: 'text',
  percentageOfNodesToScore: 'int',
  plugins: { object: Object.fromEntries([...EXTENSION_POINTS, 'multiPoint'].map((point) => [point, PLUGIN_SET])) },
  pluginConfig: { list: { object: { name: 'text', args: 'any' } } },
};

const TLS: Shape = {
  insecure: 'bool',
  serverName: 'text',
  certFile: 'text',
  keyFile: 'text',
  caFile: 'text',
  certData: 'text',
  keyData: 'text',
  caData: 'text',
};

const EXTENDER: Shape = {
  urlPrefix: 'text',
  filterVerb: 'text',
  prioritizeVerb: 'text',
  preemptVerb: 'text',
  bindVerb: 'text',
  weight: 'int',
  enableHTTPS: 'bool',
  tlsConfig: { object: TLS },
  httpTimeout: 'duration',
  nodeCacheCapable: 'bool',
  managedResources: { list: { object: { name: 'text', ignoredByScheduler: 'bool' } } },
  ignorable: 'bool',
};

const CONFIGURATION: Shape = {
  apiVersion: 'text',
  kind: 'text',
  parallelism: 'int',
  percentageOfNodesToScore: 'int',
  podInitialBackoffSeconds: 'int',
  podMaxBackoffSeconds: 'int',
  leaderElection: {
    object: {
      leaderElect: 'bool',
      leaseDuration: 'duration',
      renewDeadline: 'duration',
      retryPeriod: 'duration',
      resourceLock: 'text',
      resourceName: 'text',
      resourceNamespace: 'text',
    },
  },
  // How kube-scheduler's process reaches the API server and is looked into; the node says that here.
  clientConnection: { object: { kubeconfig: 'text', acceptContentTypes: 'text', contentType: 'text', qps: 'any', burst: 'int' } },
  enableProfiling: 'bool',
  enableContentionProfiling: 'bool',
  delayCacheUntilActive: 'bool',
  profiles: { list: { object: PROFILE } },
  extenders: { list: { object: EXTENDER } },
};
