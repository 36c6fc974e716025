/** What modelled pods use: what their programs say, or what users say of them by annotations, which may change at any time. */
import { quantityToNumber } from '../../../api/codec/quantity.ts';
import type { ContainerStats } from '../runtime.ts';
import type { SimContainer } from './container.ts';

/** Cores of the whole pod, shared by its running containers: `rockpool.dev/cpu: 250m`. */
const CPU_ANNOTATION = 'rockpool.dev/cpu';
/** Likewise of memory: `rockpool.dev/memory: 64Mi`. */
const MEMORY_ANNOTATION = 'rockpool.dev/memory';

const PAGE_BYTES = 4096;
const MS_TO_NS = 1e6;

type Annotations = Readonly<Record<string, string>> | undefined;

/** The figures of a pod's running containers. */
export function podStats(running: readonly SimContainer[], annotations: Annotations): Omit<ContainerStats, 'podUid' | 'at'>[] {
  const { cores, memoryBytes } = saidUsage(annotations, running.length);
  return running.map(({ id, config, image, cpu }) => {
    // As a kernel counts memory.
    const bytes = Math.ceil((memoryBytes ?? image.model.memoryBytes) / PAGE_BYTES) * PAGE_BYTES;
    return {
      containerId: id,
      name: config.name,
      cpuNanoseconds: Math.round(cpu.total(cores) * MS_TO_NS),
      memoryWorkingSetBytes: bytes,
      memoryRssBytes: bytes,
    };
  });
}

interface SaidUsage {
  cores: number | undefined;
  memoryBytes: number | undefined;
}

/** For each of `containers` running containers. What is no quantity counts as not said. */
export function saidUsage(annotations: Annotations, containers: number): SaidUsage {
  const share = (text: string | undefined): number | undefined => {
    const amount = text === undefined ? undefined : amountOf(text);
    return amount === undefined || amount < 0 ? undefined : amount / containers;
  };
  return { cores: share(annotations?.[CPU_ANNOTATION]), memoryBytes: share(annotations?.[MEMORY_ANNOTATION]) };
}

function amountOf(text: string): number | undefined {
  try {
    return quantityToNumber(text);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
