import { readFileSync } from 'node:fs';
import type { NodeConfig, PkiPaths } from '../lib/node-config.ts';
import type { SchedulerOptions } from '../scheduler/scheduler.ts';
import { errorMessage } from '../lib/errors.ts';

/** What is wrong with the configuration file: names the field. */
export class ConfigError extends Error {
  override readonly name: string = 'ConfigError';
}

const TEXTS = [
  'clusterName',
  'nodeName',
  'dataDir',
  'runDir',
  'podCidr',
  'serviceCidr',
  'clusterDnsIp',
  'clusterDomain',
  'nodePortRange',
  'addonsDir',
] as const;

/** Reads and checks the file that the lifecycle manager wrote. Throws ConfigError. */
export function readNodeConfig(path: string): NodeConfig {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError(`${path}: ${errorMessage(error)}`, { cause: error });
  }
  const config = value as NodeConfig;
  for (const field of TEXTS)
    if (typeof config[field] !== 'string' || config[field] === '') throw new ConfigError(`${path}: ${field}: must be a text`);
  if (config.runtime !== 'containerd' && config.runtime !== 'sim') throw new ConfigError(`${path}: runtime: must be containerd or sim`);
  if (config.storage !== 'etcd' && config.storage !== 'embedded') throw new ConfigError(`${path}: storage: must be etcd or embedded`);
  const { port } = config.apiserver ?? {};
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new ConfigError(`${path}: apiserver.port: must be a port number`);
  return config;
}

/** Reads a PEM file of the configuration. Throws ConfigError with the field. */
export function readPem(pki: PkiPaths, field: keyof PkiPaths): string {
  try {
    return readFileSync(pki[field]!, 'utf8');
  } catch (error) {
    throw new ConfigError(`pki.${field}: ${errorMessage(error)}`, { cause: error });
  }
}

/** The CA as the controllers have it: they publish its certificate, and sign with its key. */
export function certificateAuthority({ pki }: Pick<NodeConfig, 'pki'>): {
  caCert: string;
  clusterSigning: { caCert: string; caKey: string };
} {
  const caCert = readPem(pki, 'caCert');
  return { caCert, clusterSigning: { caCert, caKey: readPem(pki, 'caKey') } };
}

/** A file that the user wrote has a mistake: theirs to mend, so it has a code of its own (see `cluster/reasons.ts`). */
export class UserFileError extends ConfigError {
  readonly code = 'CONFIG_FILE';
}

/** What a text of the user's makes; a mistake in it names the text and the field. Throws UserFileError. */
export function fromUserFile<T>(name: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw error instanceof ConfigError ? error : new UserFileError(`${name}: ${errorMessage(error)}`, { cause: error });
  }
}

/** What the scheduler is made with. Throws UserFileError for a configuration that cannot be used. */
export async function schedulerOptions({ schedulerConfiguration: text }: NodeConfig): Promise<SchedulerOptions> {
  if (text === undefined) return {};
  const { parseSchedulerConfiguration } = await import('../scheduler/config/configuration.ts');
  return { configuration: fromUserFile('scheduler configuration', () => parseSchedulerConfiguration(text)) };
}
