/** Workloads with strategies by chance. */
import type { ObjectWithMeta } from '../../../src/api/meta.ts';
import type { Rng } from '../../../src/lib/random.ts';
import type { OwnerKind } from './truth.ts';

export interface Manifest extends ObjectWithMeta {
  spec: Record<string, unknown>;
}

export function newOwner(kind: OwnerKind, name: string, rng: Rng): Manifest {
  const among = <T>(...choices: T[]): T => choices[Math.floor(rng.next() * choices.length)]!;
  const labels = { app: name };
  const pod = (restartPolicy: 'Always' | 'Never') => ({
    metadata: { labels },
    spec: { restartPolicy, containers: [{ name: 'main', image: 'v0' }], terminationGracePeriodSeconds: 5 },
  });
  const template = pod('Always');
  const metadata = { name };
  const common = { replicas: among(1, 2, 3, 5), minReadySeconds: among(0, 0, 0, 2), selector: { matchLabels: labels }, template };
  switch (kind) {
    case 'deployments': {
      const rollingUpdate = among(
        {},
        { maxSurge: 0, maxUnavailable: 1 },
        { maxSurge: 1, maxUnavailable: 0 },
        { maxSurge: '50%', maxUnavailable: '50%' },
      );
      const strategy = rng.next() < 0.25 ? { type: 'Recreate' } : { type: 'RollingUpdate', rollingUpdate };
      return { metadata, spec: { ...common, strategy, revisionHistoryLimit: among(0, 1, 2) } };
    }
    case 'replicasets':
      return { metadata, spec: common };
    case 'controllers':
      return { metadata, spec: { ...common, selector: labels } };
    case 'statefulsets':
      return {
        metadata,
        spec: {
          ...common,
          serviceName: name,
          podManagementPolicy: among('OrderedReady', 'OrderedReady', 'Parallel'),
          ordinals: { start: among(0, 0, 2) },
          revisionHistoryLimit: among(0, 1),
          updateStrategy: among(
            { type: 'RollingUpdate' },
            { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 2 } },
            { type: 'OnDelete' },
          ),
        },
      };
    case 'daemonsets': {
      const { replicas: _replicas, ...rest } = common;
      const rollingUpdate = among(
        { maxSurge: 0, maxUnavailable: 1 },
        { maxSurge: 0, maxUnavailable: 2 },
        { maxSurge: 1, maxUnavailable: 0 },
      );
      return { metadata, spec: { ...rest, revisionHistoryLimit: among(0, 1), updateStrategy: { type: 'RollingUpdate', rollingUpdate } } };
    }
    case 'jobs': {
      const spec = { parallelism: among(1, 2, 3), completions: among(1, 3, 6), backoffLimit: among(0, 2, 50), template: pod('Never') };
      const indexed = among(
        {},
        { completionMode: 'Indexed' },
        { completionMode: 'Indexed', backoffLimitPerIndex: 2, backoffLimit: 2 ** 31 - 1 },
      );
      return { metadata, spec: { ...spec, ...indexed, podReplacementPolicy: among('TerminatingOrFailed', 'Failed') } };
    }
  }
}
