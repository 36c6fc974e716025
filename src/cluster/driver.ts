/**
 * What runs the node. `docker` and `sim` make the same promises, so that commands need not know which one it is.
 *
 *     absent --prepare()--> stopped --start()--> running --stop()--> stopped
 *        ^                     |                    |
 *        '------- remove() ----'-------- remove() --'
 *
 * `prepare` makes only what is missing. Calls on what is there already, or gone already, succeed.
 */
import type { Readable } from 'node:stream';
import type { NodeConfig } from '../lib/node-config.ts';
import type { ReadyReport } from './node-report.ts';
import type { PackageSource } from './image/apt.ts';
import type { DebianArch } from './image/packages.ts';
import type { DriverName, Profile } from './profile.ts';
import type { PkiFiles } from './pki/pki.ts';

export type Availability = { ok: true; detail: string } | { ok: false; reason: string; error: Error };

export type HostState = 'Running' | 'Stopped' | 'Absent';

/** What the node's files say, with paths as the node sees them: the driver knows where its folders are. */
export interface NodeFiles {
  config: NodeConfig;
  pki: PkiFiles;
  addons: AddonFiles;
}

export interface AddonFiles {
  /** `NAME/FILE` to text. */
  files: ReadonlyMap<string, string>;
  /** Addons that are not enabled: their folders go away. */
  absent: readonly string[];
}

/** Where the node sees its folders, and which address it has. */
export interface NodeLayout {
  runtime: NodeConfig['runtime'];
  dataDir: string;
  runDir: string;
  pkiDir: string;
  addonsDir: string;
  imagesDir?: string;
  catalogueDir?: string;
  bindAddress: string;
  port: number;
  advertiseAddress: string;
}

export interface Reachable {
  address: string;
  port: number;
}

export interface LogOptions {
  follow: boolean;
  /** The last lines only. */
  tail?: number;
  signal: AbortSignal;
}

export interface ExecResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

export interface Plan {
  profile: Profile;
  /** Takes back what planning had to reserve, and only that. */
  undo(): Promise<void>;
}

export interface Driver {
  readonly name: DriverName;
  /** Whether this driver can serve on this machine, within two seconds. */
  available(signal: AbortSignal): Promise<Availability>;
  /** Fills in what the driver chooses for a new profile (addresses, image), and throws where the profile asks for what it cannot do. */
  plan(profile: Profile, signal: AbortSignal): Promise<Plan>;
  layout(profile: Profile): NodeLayout;
  /** Makes image, network, volume and container, as far as they are missing. Returns what undoes only what this call made. */
  prepare(profile: Profile, signal: AbortSignal): Promise<() => Promise<void>>;
  /** Writes the node's files and starts it; resolves with its report. A node that runs already is left alone and gives undefined. Throws NODE_START, NODE_TIMEOUT, PORT_IN_USE, DISK_FULL. */
  start(profile: Profile, files: NodeFiles, options: { timeoutMs: number; signal: AbortSignal }): Promise<ReadyReport | undefined>;
  /** TERM first; killed after `timeoutMs`. */
  stop(profile: Profile, options: { timeoutMs: number }): Promise<void>;
  remove(profile: Profile): Promise<void>;
  state(profile: Profile): Promise<HostState>;
  /** The node's address, in the network where its pods and Services are. */
  nodeAddress(profile: Profile): string;
  /** Where a port of the node answers to this machine; undefined where it does not. */
  reach(profile: Profile, port: number): Reachable | undefined;
  /** Removes what profiles share, such as node images. */
  purge(): Promise<void>;
  /** Changes the manifests that the node applies, running or not. */
  writeAddons(profile: Profile, addons: AddonFiles): Promise<void>;
  exec(profile: Profile, command: readonly string[], options: { stdin?: Readable; signal: AbortSignal }): Promise<ExecResult>;
  logs(profile: Profile, options: LogOptions): AsyncIterable<string>;
  /** Imports a docker or OCI archive into the node's runtime; the names it held. */
  importImage(profile: Profile, archive: Readable, signal: AbortSignal): Promise<string[]>;
  /** An image of this machine's engine as an archive. */
  exportImage(name: string, signal: AbortSignal): Promise<Readable>;
  /** Where images for the node can be built from, and for which architecture. */
  packages(): Promise<{ source: PackageSource; arch: DebianArch }>;
}
