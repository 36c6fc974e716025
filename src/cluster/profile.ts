import { readdir, rm } from 'node:fs/promises';
import { errorCode } from '../lib/errors.ts';
import { readIfExists, writeFileAtomic } from './files.ts';
import { profilePaths, profilesDir } from './paths.ts';
import { failure } from './reasons.ts';

export type DriverName = 'docker' | 'sim';
export type StorageKind = 'etcd' | 'embedded';

/** What is kept of a cluster between commands. Written whole, checked whole. */
export interface Profile {
  schema: 1;
  name: string;
  driver: DriverName;
  storage: StorageKind;
  /** RFC 3339. */
  created: string;
  /** The API server as the laptop sees it. The port is chosen once, so that kubeconfigs stay valid. */
  listenAddress: string;
  apiPort: number;
  podCidr: string;
  serviceCidr: string;
  nodePortRange: string;
  addons: string[];
  /** `[ADDRESS:]HOST:NODE[/udp]`, or a range of equal lengths, as `--ports` takes them. */
  ports: string[];
  simNodes: number;
  /** Cores and MiB that the node may use; without limit when absent. */
  cpus?: number;
  memoryMiB?: number;
  /** docker: the image and the network address of the node. */
  nodeImage?: string;
  subnet?: string;
  nodeIp?: string;
  /** A start that began and did not end leaves `creating`. */
  state: 'creating' | 'created';
}

export const DEFAULT_PROFILE = 'rockpool';

/** Throws PROFILE_NAME unless `name` can be a container, network, volume and kubeconfig context. */
export function checkProfileName(name: string): void {
  if (!/^[a-z0-9][a-z0-9-]{0,38}[a-z0-9]$/.test(name)) throw failure('PROFILE_NAME', `"${name}" cannot be the name of a profile`);
}

/** The profile, or undefined when there is none. Throws PROFILE_CORRUPT with the file and the field. */
export async function readProfile(home: string, name: string): Promise<Profile | undefined> {
  checkProfileName(name);
  const path = profilePaths(home, name).profile;
  const text = await readIfExists(path);
  return text === undefined ? undefined : parseProfile(text, path, name);
}

/** As readProfile, but a missing profile is PROFILE_NOT_FOUND. */
export async function requireProfile(home: string, name: string): Promise<Profile> {
  const profile = await readProfile(home, name);
  if (!profile) throw failure('PROFILE_NOT_FOUND', `there is no profile "${name}"`);
  return profile;
}

/** Written by rename and on disk when this resolves: a reader sees the old profile or the new one. */
export async function writeProfile(home: string, profile: Profile): Promise<void> {
  await writeFileAtomic(profilePaths(home, profile.name).profile, `${JSON.stringify(profile, null, 2)}\n`, { durable: true });
}

/** Removes the profile's folder with its keys and logs. */
export async function removeProfile(home: string, name: string): Promise<void> {
  await rm(profilePaths(home, name).dir, { recursive: true, force: true });
}

/** Names of all profiles, sorted. A folder without a profile file (a first start that was killed early) counts, so that it can be deleted. */
export async function listProfileNames(home: string): Promise<string[]> {
  try {
    const entries = await readdir(profilesDir(home), { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .toSorted();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

type Check = (value: unknown) => string | undefined;

const string: Check = (value) => (typeof value === 'string' && value !== '' ? undefined : 'must be a text');
const port: Check = (value) =>
  Number.isInteger(value) && (value as number) > 0 && (value as number) < 65_536 ? undefined : 'must be a port number';
const count: Check = (value) => (Number.isInteger(value) && (value as number) >= 0 ? undefined : 'must be a whole number');
const positive: Check = (value) => (typeof value === 'number' && value > 0 ? undefined : 'must be a number above 0');
const strings: Check = (value) =>
  Array.isArray(value) && value.every((item) => typeof item === 'string') ? undefined : 'must be a list of texts';
const cidr: Check = (value) =>
  typeof value === 'string' && /^\d+\.\d+\.\d+\.\d+\/\d+$/.test(value) ? undefined : 'must be an IPv4 range such as 10.96.0.0/12';
const oneOf =
  (...values: unknown[]): Check =>
  (value) =>
    values.includes(value) ? undefined : `must be one of ${values.join(', ')}`;
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined ? undefined : check(value);

const FIELDS: Record<keyof Profile, Check> = {
  schema: oneOf(1),
  name: string,
  driver: oneOf('docker', 'sim'),
  storage: oneOf('etcd', 'embedded'),
  created: (value) => (typeof value === 'string' && !Number.isNaN(Date.parse(value)) ? undefined : 'must be a time'),
  listenAddress: string,
  apiPort: port,
  podCidr: cidr,
  serviceCidr: cidr,
  nodePortRange: (value) => (typeof value === 'string' && /^\d+-\d+$/.test(value) ? undefined : 'must be a range such as 30000-32767'),
  addons: strings,
  ports: strings,
  simNodes: count,
  cpus: optional(positive),
  memoryMiB: optional(positive),
  nodeImage: optional(string),
  subnet: optional(cidr),
  nodeIp: optional(string),
  state: oneOf('creating', 'created'),
};

/** `path` and `name` are for the message and the check that file and folder agree. Throws PROFILE_CORRUPT, naming the field. */
export function parseProfile(text: string, path: string, name: string): Profile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw failure('PROFILE_CORRUPT', `${path} is not JSON`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw failure('PROFILE_CORRUPT', `${path} does not hold an object`);
  const fields = value as Record<string, unknown>;
  for (const [field, check] of Object.entries(FIELDS)) {
    const problem = check(fields[field]);
    if (problem)
      throw failure('PROFILE_CORRUPT', `${path}: field "${field}" ${problem}, found ${JSON.stringify(fields[field]) ?? 'nothing'}`);
  }
  if (fields['name'] !== name)
    throw failure('PROFILE_CORRUPT', `${path}: field "name" must be "${name}", found ${JSON.stringify(fields['name'])}`);
  return value as Profile;
}
