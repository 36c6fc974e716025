import type { RuleBackend } from '../backend.ts';
import type { Family, Frontend } from '../frontends.ts';
import type { NftRunner } from '../packet-filter.ts';
import { type Chains, chainsFor, JUMPS } from './rules.ts';

export interface IptablesOptions {
  runner: NftRunner;
  families: readonly Family[];
  podCidrs: Partial<Record<Family, string>>;
}

const TABLES = ['nat', 'filter'] as const;
const CLEANUP_MS = 10_000;

/**
 * The alternative for a kernel or host without nftables. Every change writes all chains, which grows with the square of their number in
 * iptables-nft: good for some hundred Services.
 */
export function iptablesBackend({ runner, families, podCidrs }: IptablesOptions): RuleBackend {
  const services = new Map<string, readonly Frontend[]>();
  const command = (family: Family, what: 'save' | 'restore') =>
    family === 'ip' ? (`iptables-${what}` as const) : (`ip6tables-${what}` as const);

  const inspect = async (family: Family, signal: AbortSignal): Promise<Record<keyof Chains, Existing>> => {
    const tables = TABLES.map(
      async (table) => [table, readSaved(await runner.run(command(family, 'save'), ['-t', table], '', signal))] as const,
    );
    return Object.fromEntries(await Promise.all(tables)) as Record<keyof Chains, Existing>;
  };
  const write = async (family: Family, chains: Chains, signal: AbortSignal): Promise<void> => {
    // Looked at each time: others flush and change what is not in a table of our own.
    const existing = await inspect(family, signal);
    const script = TABLES.map((table) => renderTable(table, chains[table], existing[table])).join('');
    await runner.run(command(family, 'restore'), ['--noflush', '--wait', '5'], script, signal);
  };
  return {
    set(service, frontends) {
      if (frontends.length > 0) services.set(service, frontends);
      else services.delete(service);
    },
    async apply(signal) {
      const frontends = [...services.keys()].toSorted().flatMap((key) => services.get(key)!);
      for (const family of families) {
        const podCidr = podCidrs[family];
        await write(
          family,
          chainsFor(
            frontends.filter((each) => each.family === family),
            podCidr === undefined ? { family } : { family, podCidr },
          ),
          signal,
        );
      }
    },
    async cleanup() {
      for (const family of families) {
        await write(family, { nat: new Map(), filter: new Map() }, AbortSignal.timeout(CLEANUP_MS));
      }
    },
  };
}

interface Existing {
  chains: ReadonlySet<string>;
  jumps: ReadonlySet<string>;
}

/** What of ours a table holds, from the output of iptables-save. */
function readSaved(text: string): Existing {
  const lines = text.split('\n');
  const chains = lines.flatMap((line) => /^:(KUBE-\S+)/.exec(line)?.[1] ?? []);
  return {
    chains: new Set(chains),
    jumps: new Set(lines.filter((line) => line.startsWith('-A ') && !line.startsWith('-A KUBE-')).map((line) => line.slice('-A '.length))),
  };
}

/** One table for iptables-restore: naming a chain empties or makes it; those of before that are not needed any more go at the end. */
function renderTable(table: keyof Chains, chains: ReadonlyMap<string, readonly string[]>, existing: Existing): string {
  const stale = [...existing.chains].filter((chain) => !chains.has(chain));
  const jumps =
    chains.size > 0
      ? JUMPS[table].filter((jump) => !existing.jumps.has(jump)).map((jump) => `-I ${jump}`)
      : JUMPS[table].filter((jump) => existing.jumps.has(jump)).map((jump) => `-D ${jump}`);
  const lines = [
    `*${table}`,
    ...[...chains.keys(), ...stale].map((chain) => `:${chain} - [0:0]`),
    ...[...chains].flatMap(([chain, rules]) => rules.map((rule) => `-A ${chain} ${rule}`)),
    ...jumps,
    ...stale.map((chain) => `-X ${chain}`),
    'COMMIT',
  ];
  return `${lines.join('\n')}\n`;
}
