import { isDeepStrictEqual } from 'node:util';
import { StatusError } from '../../api/status.ts';
import type { ClusterRole } from '../../api/types.gen.ts';
import type { Logger } from '../../lib/log.ts';
import { aggregatedRules } from '../authz/aggregation.ts';
import type { StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { RBAC_GROUP } from './policy.ts';

/**
 * Writes the rules of aggregated ClusterRoles into them, as upstream's aggregation controller does, so that people see what the authorizer
 * computes by itself. Runs once for a burst of changes. The returned function ends it.
 */
export function keepAggregatedRoles({ log, ...objects }: StoredObjects & { log: Logger }): () => void {
  const roles = stored<ClusterRole>(objects, RBAC_GROUP, 'v1', 'clusterroles');
  let waiting = false;

  const writeAll = async (): Promise<void> => {
    waiting = false;
    const all = roles.list();
    for (const role of all) {
      if (!role.aggregationRule) continue;
      const rules = aggregatedRules(role, all);
      if (!isDeepStrictEqual(rules, role.rules ?? [])) await objects.source.update(roles.resource, { ...role, rules });
    }
  };
  const soon = (): void => {
    if (waiting) return;
    waiting = true;
    setImmediate(() => {
      writeAll().catch((error: unknown) => {
        // Changed or deleted meanwhile: that change brings us back.
        if (!StatusError.is(error, 'Conflict') && !StatusError.is(error, 'NotFound'))
          log.warn('aggregated roles could not be written', { error });
      });
    });
  };

  const stop = roles.subscribe(soon);
  soon();
  return stop;
}
