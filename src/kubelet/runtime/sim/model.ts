/**
 * The contract of a modelled image: files, programs and a configuration, as an image has them. A container runs its argv by the image's
 * program table; exec runs another one the same way. One image a file in catalogue/.
 */
import type { SimProcess } from './process.ts';

export interface ImageModel {
  /** Whether such a tag exists; any other is `not found` as at a registry. */
  hasTag(tag: string): boolean;
  /** What the image list shows; a plausible constant. */
  sizeBytes: number;
  /** Resident memory that the stats show; a plausible constant. */
  memoryBytes: number;
  entrypoint?: readonly string[];
  cmd?: readonly string[];
  env?: Readonly<Record<string, string>>;
  workingDir?: string;
  stopSignal?: Signal;
  user?: { uid?: number; name?: string };
  /** The read-only layer by absolute path. Called once for all containers of the image. */
  files?(): Readonly<Record<string, string>>;
  /** By name, as found on $PATH. */
  programs: ProgramTable;
  /** What process 1 does whatever its command is, where there are no programs (images that nobody modelled). */
  fallback?: Program;
}

export type Signal = 'TERM' | 'KILL' | 'INT' | 'QUIT' | 'HUP' | 'USR1' | 'USR2';

/**
 * Runs to its end and gives the exit code. Throws `ProcessExit` for an exit from within; any other error is told on stderr and is exit
 * code 1. What it opened must be closed by then: `process.onExit` takes what to close.
 */
export interface Program {
  (process: SimProcess): number | Promise<number>;
  /** It calls `process.ready` once it listens; its container counts as started from then on. */
  serves?: boolean;
}

/** Marks a program that listens. */
export function server(run: (process: SimProcess) => number | Promise<number>): Program {
  return Object.assign((process: SimProcess) => run(process), { serves: true });
}

export type ProgramTable = ReadonlyMap<string, Program>;

/** One row of the catalogue: models are loaded when a pod asks for them. */
export interface CatalogueEntry {
  repositories: readonly string[];
  load(): Promise<ImageModel>;
}
