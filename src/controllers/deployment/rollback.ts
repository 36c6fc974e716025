/** Going back to an earlier revision as extensions/v1beta1 and apps/v1beta1 asked for it: `rollbackTo`, kept in an annotation since. */
import type { Deployment, ReplicaSet } from '../../api/types.gen.ts';
import { ROLLBACK_TO, revisionOf, sameTemplate, withAnnotationsOf, withoutHash } from './revisions.ts';

export interface Rollback {
  /** To be written: it asks for no rollback any more, and has the earlier template where that was found. */
  deployment: Deployment;
  event: { type: 'Normal' | 'Warning'; reason: string; message: string };
}

/** The revision to go back to, 0 for the last before the present; undefined where none is asked for, or none that is a number. */
export function rollbackRevision({ metadata }: Deployment): bigint | undefined {
  const text = metadata.annotations?.[ROLLBACK_TO];
  return text !== undefined && /^-?\d+$/.test(text) ? BigInt(text) : undefined;
}

/** What becomes of a Deployment that is to go back to `revision`, with upstream's events. */
export function rollBack(asked: Deployment, replicaSets: readonly ReplicaSet[], revision: bigint): Rollback {
  const deployment = withoutRequest(asked);
  const wanted = revision === 0n ? lastRevision(replicaSets) : revision;
  if (wanted === undefined) {
    return { deployment, event: warning('DeploymentRollbackRevisionNotFound', 'Unable to find last revision.') };
  }
  const target = replicaSets.find((replicaSet) => revisionOf(replicaSet) === wanted);
  if (!target) {
    return { deployment, event: warning('DeploymentRollbackRevisionNotFound', 'Unable to find the revision to rollback to.') };
  }
  const { name } = deployment.metadata;
  if (sameTemplate(target.spec?.template, deployment.spec?.template)) {
    const message = `The rollback revision contains the same template as current deployment "${name}"`;
    return { deployment, event: warning('DeploymentRollbackTemplateUnchanged', message) };
  }
  const message = `Rolled back deployment "${name}" to revision ${wanted}`;
  return {
    deployment: {
      ...deployment,
      metadata: withAnnotationsOf(target, deployment.metadata),
      spec: { ...deployment.spec!, template: withoutHash(target.spec?.template)! },
    },
    event: { type: 'Normal', reason: 'DeploymentRollback', message },
  };
}

/** The greatest but one; undefined where there are not two. */
function lastRevision(replicaSets: readonly ReplicaSet[]): bigint | undefined {
  const descending = replicaSets.map(revisionOf).toSorted((a, b) => (a > b ? -1 : a < b ? 1 : 0));
  return descending[1] || undefined;
}

function withoutRequest(deployment: Deployment): Deployment {
  const { [ROLLBACK_TO]: _asked, ...annotations } = deployment.metadata.annotations ?? {};
  return { ...deployment, metadata: { ...deployment.metadata, annotations } };
}

function warning(reason: string, message: string): Rollback['event'] {
  return { type: 'Warning', reason, message };
}
