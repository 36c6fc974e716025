import type { RuleBackend } from '../backend.ts';
import type { Family } from '../frontends.ts';
import type { NftRunner } from '../packet-filter.ts';
import { itemsOf, largestSpread } from './items.ts';
import { renderChanges, renderCleanup, renderTable } from './render.ts';
import { RuleTable } from './rule-table.ts';

export interface NftablesOptions {
  runner: NftRunner;
  families: readonly Family[];
  /** The cluster's pod ranges by family. */
  podCidrs: Partial<Record<Family, string>>;
}

/** One table a family. A transaction says only what changed, so it costs the same with ten Services as with five thousand. */
export function nftablesBackend({ runner, families, podCidrs }: NftablesOptions): RuleBackend {
  const tables = families.map((family) => ({ family, podCidr: podCidrs[family], rules: new RuleTable() }));
  let spreadLimit = 16;
  /** Whether the kernel has what was last committed. */
  let known = false;
  return {
    set(service, frontends) {
      const spread = largestSpread(frontends);
      if (spread > spreadLimit) {
        spreadLimit = 2 ** Math.ceil(Math.log2(spread));
        known = false;
      }
      for (const { family, podCidr, rules } of tables) {
        const own = frontends.filter((frontend) => frontend.family === family);
        rules.replace(service, itemsOf(own, podCidr === undefined ? {} : { podCidr }));
      }
    },
    async apply(signal) {
      const script = tables
        .map(({ family, podCidr, rules }) =>
          known
            ? renderChanges(family, rules.changes())
            : renderTable({ family, spreadLimit, ...(podCidr ? { podCidr } : {}) }, rules.everything()),
        )
        .join('');
      known &&= script === '';
      if (script !== '') await runner.run('nft', ['-f', '-'], script, signal);
      known = true;
      for (const { rules } of tables) rules.commit();
    },
    async cleanup() {
      await runner.run('nft', ['-f', '-'], families.map(renderCleanup).join(''), AbortSignal.timeout(10_000));
      known = false;
    },
  };
}
