/** What the node says of the machine that it is on. */
import { readFileSync, statfsSync } from 'node:fs';
import os from 'node:os';
import { errorCode } from '../../lib/errors.ts';

export interface Machine {
  cpus: number;
  memoryBytes: number;
  /** Of the file system that holds the kubelet's folder. */
  storageBytes: number;
  architecture: string;
  kernelVersion: string;
  osImage: string;
  machineId: string;
  bootId: string;
  systemUuid: string;
}

export interface MachineOptions {
  rootDir: string;
  /** What to say instead of what was found: sim nodes, and containers with limits. */
  cpus?: number;
  memoryBytes?: number;
}

/** Memory and CPUs are those of the cgroup that we live in where it is bounded: a node in a container must not promise the whole laptop. */
export function readMachine({ rootDir, cpus, memoryBytes }: MachineOptions): Machine {
  return {
    cpus: cpus ?? cgroupCpus() ?? os.availableParallelism(),
    memoryBytes: memoryBytes ?? Math.min(os.totalmem(), cgroupMemory() ?? Number.POSITIVE_INFINITY),
    storageBytes: storageBytes(rootDir),
    architecture: os.arch() === 'x64' ? 'amd64' : os.arch(),
    kernelVersion: os.release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)/m.exec(readText('/etc/os-release'))?.[1] ?? os.type(),
    machineId: readText('/etc/machine-id').trim(),
    bootId: readText('/proc/sys/kernel/random/boot_id').trim(),
    systemUuid: readText('/sys/class/dmi/id/product_uuid').trim(),
  };
}

function storageBytes(folder: string): number {
  const { blocks, bsize } = statfsSync(folder);
  return blocks * bsize;
}

function cgroupMemory(): number | undefined {
  const limit = Number.parseInt(readText('/sys/fs/cgroup/memory.max') || readText('/sys/fs/cgroup/memory/memory.limit_in_bytes'), 10);
  return Number.isNaN(limit) ? undefined : limit;
}

function cgroupCpus(): number | undefined {
  const [quota, period] = readText('/sys/fs/cgroup/cpu.max').split(' ').map(Number);
  return quota && period ? Math.max(1, Math.floor(quota / period)) : undefined;
}

/** '' for what is not there: other systems, containers that hide it. */
function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'EACCES', 'EPERM', 'ENOTDIR'].includes(errorCode(error) ?? '')) return '';
    throw error;
  }
}
